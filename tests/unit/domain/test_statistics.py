"""Our statistics against published worked examples, against statsmodels, and against what they must mean.

The worked examples are those of Fagerland, Lydersen and Laake, "Recommended tests and confidence intervals for paired
binomial proportions", Statistics in Medicine 33 (2014), and of their "The McNemar test for binary matched-pairs data",
BMC Medical Research Methodology 13:91 (2013): airway hyper-responsiveness before and after a transplantation
(1, 1, 7, 12), and complete response before and after consolidation therapy (59, 6, 16, 80).
"""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from backend.domain.statistics import (
    Finding,
    Pair,
    difference_interval,
    equivalence,
    holm,
    mcnemar_p,
    more_images,
    verdicts,
    wilson_interval,
)
from backend.errors import InvalidInputError

AIRWAY = Pair(fixed=1, broken=7, n=21)
THERAPY = Pair(fixed=6, broken=16, n=161)


def some_pairs(count: int) -> list[Pair]:
    """The same ones each time, from few discordant images to many."""
    random = np.random.default_rng(4)
    pairs = []
    for n in random.choice([20, 200, 2_000, 10_000], count).tolist():
        fixed, broken = random.integers(0, n // 10, 2, endpoint=True).tolist()
        pairs.append(Pair(fixed=fixed, broken=broken, n=n))
    return pairs


def test_mcnemar_is_that_of_the_published_examples() -> None:
    assert mcnemar_p(AIRWAY) == pytest.approx(0.0703, abs=5e-5)
    assert mcnemar_p(THERAPY) == pytest.approx(0.0525, abs=5e-5)


def test_the_interval_is_that_of_the_published_example() -> None:
    assert difference_interval(AIRWAY) == (pytest.approx(-0.517, abs=5e-4), pytest.approx(-0.026, abs=5e-4))


def test_mcnemar_agrees_with_statsmodels() -> None:
    for pair in some_pairs(50):
        table = [[0, pair.fixed], [pair.broken, 0]]
        assert mcnemar_p(pair) == pytest.approx(mcnemar(table, exact=True).pvalue, rel=1e-9), pair


def test_holm_agrees_with_statsmodels() -> None:
    random = np.random.default_rng(5)
    for count in (1, 2, 3, 19):
        p_values = [*random.random(count).tolist(), *(random.random(count) / 100).tolist(), 0.01, 0.01]
        assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert holm([]) == ()


def test_the_recall_interval_agrees_with_statsmodels() -> None:
    for right, n in ((0, 10), (5, 10), (10, 10), (980, 980), (1_009, 1_028)):
        low, high = proportion_confint(right, n, alpha=0.05, method="wilson")
        assert wilson_interval(right, n) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_the_score_at_no_difference_is_the_asymptotic_mcnemar_of_statsmodels() -> None:
    """Tango's score contains McNemar's; the interval excludes 0 exactly when the asymptotic test rejects."""
    for pair in some_pairs(60):
        if pair.fixed + pair.broken == 0:
            continue
        p_value = mcnemar([[0, pair.fixed], [pair.broken, 0]], exact=False, correction=False).pvalue
        low, high = difference_interval(pair)
        assert (low > 0 or high < 0) == (p_value < 0.05), (pair, p_value)


def test_the_interval_holds_the_difference_and_mirrors_when_the_models_change_places() -> None:
    for pair in (*some_pairs(40), Pair(fixed=0, broken=0, n=30), Pair(fixed=5, broken=0, n=5)):
        low, high = difference_interval(pair)
        assert -1 <= low <= pair.difference <= high <= 1, pair
        mirrored = difference_interval(Pair(fixed=pair.broken, broken=pair.fixed, n=pair.n))
        assert mirrored == (pytest.approx(-high, abs=1e-9), pytest.approx(-low, abs=1e-9))


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    fixed_share, broken_share, n, rounds = 0.01, 0.004, 1_000, 1_000
    drawn = np.random.default_rng(6).multinomial(n, [fixed_share, broken_share, 1 - fixed_share - broken_share], rounds)
    intervals = [difference_interval(Pair(fixed=fixed, broken=broken, n=n)) for fixed, broken, _ in drawn.tolist()]
    covered = sum(low <= fixed_share - broken_share <= high for low, high in intervals)
    assert 0.935 <= covered / rounds <= 0.965


def test_as_good_means_that_the_narrower_interval_lies_within_the_margin() -> None:
    """Two one-sided tests at 5 % are the interval at 90 %, for every pair."""
    seen = set()
    for pair in (*some_pairs(60), Pair(fixed=3, broken=4, n=10_000), Pair(fixed=0, broken=0, n=2_000)):
        low, high = difference_interval(pair, level=0.9)
        for margin in (0.002, 0.01, 0.05):
            found = equivalence(pair, margin=margin)
            assert found.not_worse() == (low > -margin), (pair, margin)
            assert found.as_good() == (low > -margin and high < margin), (pair, margin)
            seen.add(found.as_good())
    assert seen == {True, False}


@pytest.mark.parametrize("margin", [0.0, 1.0, -0.1])
def test_a_margin_that_is_no_share_is_refused(margin: float) -> None:
    with pytest.raises(InvalidInputError, match="expected a share between 0 and 1"):
        equivalence(AIRWAY, margin=margin)


@pytest.mark.parametrize(("fixed", "broken", "n"), [(-1, 0, 5), (3, 3, 5), (0, 0, 0)])
def test_counts_that_cannot_be_are_refused(fixed: int, broken: int, n: int) -> None:
    with pytest.raises(InvalidInputError, match="cannot be"):
        Pair(fixed=fixed, broken=broken, n=n)


def test_with_as_many_more_images_the_test_proves_it_about_as_often_as_it_says() -> None:
    pair, rounds = Pair(fixed=30, broken=18, n=2_000), 400
    more = more_images(pair)
    assert more is not None
    assert mcnemar_p(pair) > 0.05
    n = pair.n + more
    drawn = np.random.default_rng(7).multinomial(n, [0.015, 0.009, 0.976], rounds)
    proven = sum(mcnemar_p(Pair(fixed=fixed, broken=broken, n=n)) < 0.05 for fixed, broken, _ in drawn.tolist())
    assert 0.74 <= proven / rounds <= 0.86


def test_no_number_of_images_tells_models_apart_that_do_not_differ() -> None:
    assert more_images(Pair(fixed=7, broken=7, n=100)) is None
    assert more_images(Pair(fixed=5, broken=0, n=5)) == 1, "five of five is p = 0.06, six of six is 0.03"


def test_the_verdict_in_words() -> None:
    (better,) = verdicts([Pair(fixed=31, broken=12, n=10_000)])
    assert better.finding is Finding.BETTER
    assert better.sentence("v14", "v3") == "v14 is better than v3: 31 fixed, 12 broken, p = 0.005."
    (worse,) = verdicts([Pair(fixed=12, broken=31, n=10_000)])
    assert worse.sentence("v14", "v3").startswith("v14 is worse than v3: 12 fixed, 31 broken")
    (as_good,) = verdicts([Pair(fixed=12, broken=9, n=10_000)])
    assert as_good.finding is Finding.AS_GOOD
    assert as_good.sentence("v14", "v3") == (
        "v14 is as good as v3 within 0.2 points: 12 fixed, 9 broken, p = 0.664. "
        "To tell which one is better takes about 180,000 more images."
    )
    (unknown,) = verdicts([Pair(fixed=4, broken=2, n=300)])
    assert unknown.finding is Finding.CANNOT_TELL
    assert unknown.sentence("v14", "v3") == (
        "Cannot tell yet whether v14 is better than v3: 4 fixed, 2 broken, p = 0.688. "
        "Not enough evidence: about 3,300 more images needed."
    )
    (same,) = verdicts([Pair(fixed=0, broken=0, n=300)])
    assert same.sentence("v14", "v3") == "v14 is right and wrong on the same images as v3."


def test_a_proven_difference_that_does_not_matter_says_both() -> None:
    (verdict,) = verdicts([Pair(fixed=2, broken=13, n=10_000)])
    assert verdict.finding is Finding.WORSE
    assert verdict.sentence("v2", "v1").endswith("p = 0.007. The difference is smaller than 0.2 points.")


def test_what_one_test_proves_several_at_once_may_not() -> None:
    nearly = Pair(fixed=20, broken=8, n=2_000)
    alone = verdicts([nearly])[0]
    among = verdicts([nearly, Pair(fixed=5, broken=5, n=2_000), Pair(fixed=6, broken=4, n=2_000)])[0]
    assert alone.finding is Finding.BETTER
    assert among.finding is Finding.CANNOT_TELL
    assert among.p_value == alone.p_value < among.adjusted_p
    assert "(Holm-corrected for 3)" in among.sentence("v2", "v1")
    # As many as the strictest of the three tests needs: more than one test alone would ask for.
    assert among.more_images == more_images(nearly, alpha=0.05 / 3)
    assert among.more_images != more_images(nearly)


def test_a_p_value_just_below_the_level_does_not_read_as_the_level() -> None:
    pair = Pair(fixed=17, broken=6, n=1_000)
    (verdict,) = verdicts([pair], alpha=0.035)
    assert mcnemar_p(pair) == pytest.approx(0.0347, abs=5e-5)
    assert "p = 0.0347" in verdict.sentence("v2", "v1")
