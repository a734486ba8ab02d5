"""The mix of the answers against the test set's, held against SciPy and against mixes whose verdict is known."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from backend.domain.prediction_mix import FEWEST, Shift, Tally, chi_square_tail, gathered, mix_drift, tallied, total

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TESTED = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
"""Labels of MNIST's test set."""


def test_the_tail_is_scipys() -> None:
    from scipy.stats import chi2

    for freedom in range(1, 12):
        for statistic in (0.01, 1.0, 9.0, 21.67, 80.0):
            assert chi_square_tail(statistic, freedom) == pytest.approx(chi2.sf(statistic, freedom), rel=1e-9)
    assert chi_square_tail(0.0, 9) == chi_square_tail(5.0, 0) == 1.0


def test_the_p_value_is_scipys_for_the_same_table() -> None:
    from scipy.stats import chi2_contingency

    answered = (30, 10, 25, 18, 20, 31, 12, 14, 22, 18)
    drift = mix_drift(answered, TESTED)
    assert drift.p_value == pytest.approx(chi2_contingency([answered, TESTED], correction=False).pvalue, rel=1e-9)


def test_few_answers_say_nothing_whatever_they_are() -> None:
    drift = mix_drift((FEWEST - 1, *[0] * 9), TESTED)
    assert drift.shift is Shift.TOO_FEW
    assert "99 of the 100" in drift.sentence()
    unknown = mix_drift((500, *[0] * 9), (0,) * 10)
    assert unknown.shift is Shift.TOO_FEW and "evaluate the version" in unknown.sentence()


def test_answers_of_the_tested_mix_are_not_called_a_shift_more_often_than_the_level_says() -> None:
    chance = np.random.default_rng(7)
    shares = np.array(TESTED) / sum(TESTED)
    found = [mix_drift(tuple(chance.multinomial(300, shares)), TESTED).shift for _ in range(2_000)]
    assert sum(shift is not Shift.NONE for shift in found) <= 35  # 20 expected at 1 %


def test_another_mix_is_told_and_one_that_hardly_differs_is_said_not_to_matter() -> None:
    only_sevens = mix_drift((*[0] * 7, 200, 0, 0), TESTED)
    assert only_sevens.shift is Shift.SHIFTED and math.isfinite(only_sevens.index)
    assert "very different" in only_sevens.sentence() and "p < 0.001" in only_sevens.sentence()
    shares = np.array(TESTED) / sum(TESTED)
    shares[0], shares[1] = shares[0] + 0.02, shares[1] - 0.02
    slight = mix_drift(tuple(int(n) for n in shares * 100_000), TESTED)
    assert slight.shift is Shift.SLIGHT and "too little to matter" in slight.sentence()


def test_a_tally_counts_labels_confidence_and_unsure_answers() -> None:
    rows = [[0.0] * 9 + [1.0], [0.6, 0.4, *[0.0] * 8]]
    tally = tallied(rows, version=3, at=NOON)
    assert (tally.digits, tally.n, tally.unsure) == ((1, *[0] * 8, 1), 2, 1)
    assert tally.confidence == pytest.approx(1.6)
    twice = tally.plus(Tally(at=NOON, version=3, failed=2))
    assert (twice.n, twice.failed) == (2, 2)


def test_tallies_are_gathered_by_step_and_version() -> None:
    made = [
        tallied([[1.0, *[0.0] * 9]], version=version, at=NOON + timedelta(minutes=minute))
        for minute, version in ((7, 2), (1, 1), (4, 1), (6, 1))
    ]
    found = gathered(made, timedelta(minutes=5))
    assert [(tally.at.minute, tally.version, tally.n) for tally in found] == [(0, 1, 2), (5, 1, 1), (5, 2, 1)]
    assert total(found, 1)[0] == 3
    assert total(found, 9) == (0,) * 10
