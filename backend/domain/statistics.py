"""Which of two models is better on the same images, and how sure one can be.

Both models answered the same `n` images, so only the images on which one is right and the other wrong tell them apart:
`fixed` (the base was wrong, the candidate is right) and `broken` (the reverse). Everything here follows from those
three numbers. Accuracies and differences are shares of 1; a difference is candidate minus base.

Sources:
- McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12 (1947),
  in its exact form: given their number, the discordant images fall to either side like a fair coin.
- Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
- Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample design",
  Statistics in Medicine 17 (1998): one score, of which both the interval and the equivalence test are made.
- Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987): equivalence as two one-sided tests.
- Connor, "Sample size for testing differences in proportions for the paired-sample design", Biometrics 43 (1987).
- Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import NormalDist
from typing import Final

from backend.errors import InvalidInputError

ALPHA: Final = 0.05
"""The level of every test, unless another is asked for."""
MARGIN: Final = 0.002
"""A difference of accuracy that does not matter, unless another is asked for: 0.2 points."""
POWER: Final = 0.8
"""How likely the images asked for would prove a difference as large as the observed one."""
_BISECTIONS: Final = 60
_NORMAL: Final = NormalDist()

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A candidate against a base on the same `n` images; raises `InvalidInputError` for counts that cannot be."""

    fixed: int
    broken: int
    n: int

    def __post_init__(self) -> None:
        if min(self.fixed, self.broken) < 0 or self.n < max(1, self.fixed + self.broken):
            raise InvalidInputError(f"{self.fixed} fixed and {self.broken} broken of {self.n} images cannot be.")

    @property
    def difference(self) -> float:
        """Accuracy of the candidate minus that of the base, in -1..1."""
        return (self.fixed - self.broken) / self.n


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """What is known about a difference that does not matter, `margin` (a share of 1).

    `p_not_worse` is the p-value against "the candidate is worse by at least the margin", `p_not_better` against "it is
    better by at least the margin". Either small: not worse (non-inferior); both small: as good.
    """

    margin: float
    p_not_worse: float
    p_not_better: float

    @property
    def p_value(self) -> float:
        """Of the two one-sided tests together."""
        return max(self.p_not_worse, self.p_not_better)

    def not_worse(self, alpha: float = ALPHA) -> bool:
        return self.p_not_worse < alpha

    def as_good(self, alpha: float = ALPHA) -> bool:
        return self.p_value < alpha


class Finding(Enum):
    """`AsGood`: neither better nor worse by as much as the margin. `CannotTell`: the images do not say."""

    BETTER = "Better"
    WORSE = "Worse"
    AS_GOOD = "AsGood"
    CANNOT_TELL = "CannotTell"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One candidate against the base.

    `p_value` is McNemar's, exact and two-sided; `adjusted_p` the same after Holm's correction for all candidates that
    were compared at once, `comparisons` of them. `interval` holds the difference at level 1 - `alpha`; it is a score
    interval, so it may just miss or just touch 0 where the exact test says otherwise: the test decides. `more_images`
    is about how many images beyond the `n` would prove the observed difference; None when it is proven, or when no
    difference was observed.
    """

    pair: Pair
    p_value: float
    adjusted_p: float
    comparisons: int
    alpha: float
    interval: Interval
    equivalence: Equivalence
    more_images: int | None

    @property
    def finding(self) -> Finding:
        if self.adjusted_p < self.alpha:
            return Finding.BETTER if self.pair.difference > 0 else Finding.WORSE
        return Finding.AS_GOOD if self.equivalence.as_good(self.alpha) else Finding.CANNOT_TELL

    def sentence(self, candidate: str, base: str) -> str:
        """The verdict in words, for two models that are called `candidate` and `base`."""
        pair, within = self.pair, f"{100 * self.equivalence.margin:.2g} points"
        if pair.fixed + pair.broken == 0:
            return f"{candidate} is right and wrong on the same images as {base}."
        numbers = f"{pair.fixed:,} fixed, {pair.broken:,} broken, {_told(self.adjusted_p, self.alpha)}"
        if self.comparisons > 1:
            numbers += f" (Holm-corrected for {self.comparisons})"
        proof = f"about {self.more_images:,} more images" if self.more_images else ""
        match self.finding:
            case Finding.BETTER | Finding.WORSE:
                small = f" The difference is smaller than {within}." if self.equivalence.as_good(self.alpha) else ""
                return f"{candidate} is {self.finding.value.lower()} than {base}: {numbers}.{small}"
            case Finding.AS_GOOD:
                more = f" To tell which one is better takes {proof}." if proof else ""
                return f"{candidate} is as good as {base} within {within}: {numbers}.{more}"
            case Finding.CANNOT_TELL:
                more = f" Not enough evidence: {proof} needed." if proof else ""
                return f"Cannot tell yet whether {candidate} is better than {base}: {numbers}.{more}"


def verdicts(pairs: Sequence[Pair], *, alpha: float = ALPHA, margin: float = MARGIN) -> tuple[Verdict, ...]:
    """Each candidate against the one base, in the order of `pairs`, Holm-corrected over all of them."""
    p_values = [mcnemar_p(pair) for pair in pairs]
    return tuple(
        Verdict(
            pair=pair,
            p_value=p_value,
            adjusted_p=adjusted,
            comparisons=len(pairs),
            alpha=alpha,
            interval=difference_interval(pair, level=1 - alpha),
            equivalence=equivalence(pair, margin=margin),
            # Holm rejects the least p-value at alpha / m: with as many images, each would be proven by itself.
            more_images=None if adjusted < alpha else more_images(pair, alpha=alpha / len(pairs)),
        )
        for pair, p_value, adjusted in zip(pairs, p_values, holm(p_values), strict=True)
    )


def mcnemar_p(pair: Pair) -> float:
    """The exact two-sided p-value of "both models are equally accurate"; 1 when they are right on the same images."""
    if pair.fixed + pair.broken == 0:
        return 1.0
    # SciPy's statistics take a second and 60 MB to import: only who compares pays for them.
    from scipy.stats import binomtest

    return float(binomtest(pair.fixed, pair.fixed + pair.broken, 0.5).pvalue)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values adjusted so that all of them together keep one level; in the given order, at most 1 each."""
    adjusted = [0.0] * len(p_values)
    least = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = least
    return tuple(adjusted)


def difference_interval(pair: Pair, *, level: float = 1 - ALPHA) -> Interval:
    """Tango's score interval of the paired difference: every difference that his test at 1 - `level` does not refuse.

    It keeps its level where Wald's does not: few discordant images, and differences near 0.
    """
    z = _NORMAL.inv_cdf(0.5 + level / 2)
    # The score falls as the supposed difference rises, from above z at the one end to below -z at the other.
    low = -1.0 if pair.difference <= -1 else _where_score_is(z, pair, -1.0, pair.difference)
    high = 1.0 if pair.difference >= 1 else _where_score_is(-z, pair, pair.difference, 1.0)
    return low, high


def equivalence(pair: Pair, *, margin: float = MARGIN) -> Equivalence:
    """Tango's score as two one-sided tests against -margin and +margin; raises `InvalidInputError` outside of 0..1.

    Both p-values are below alpha exactly when the score interval at level 1 - 2 alpha lies within the margin.
    """
    if not 0 < margin < 1:
        raise InvalidInputError(f"The margin is {margin:g}; expected a share between 0 and 1, like {MARGIN:g}.")
    return Equivalence(
        margin=margin,
        p_not_worse=_NORMAL.cdf(-_score(pair, -margin)),
        p_not_better=_NORMAL.cdf(_score(pair, margin)),
    )


def more_images(pair: Pair, *, alpha: float = ALPHA, power: float = POWER) -> int | None:
    """About how many images beyond the `n` a test at `alpha` needs to prove the observed difference with `power`.

    Connor's formula (3), with the observed shares taken for the true ones, rounded up to two figures; it says which
    order of magnitude, no more. None when no difference was observed.
    """
    discordant, difference = (pair.fixed + pair.broken) / pair.n, abs(pair.difference)
    if difference == 0:
        return None
    z_alpha, z_beta = _NORMAL.inv_cdf(1 - alpha / 2), _NORMAL.inv_cdf(power)
    root = z_alpha * math.sqrt(discordant) + z_beta * math.sqrt(discordant - difference**2)
    return _two_figures((root / difference) ** 2 - pair.n)


def wilson_interval(successes: int, n: int, *, level: float = 1 - ALPHA) -> Interval:
    """Wilson's score interval of a share, such as the recall of one digit; (0, 1) when there were no images."""
    if n == 0:
        return 0.0, 1.0
    z = _NORMAL.inv_cdf(0.5 + level / 2)
    share = successes / n
    middle = share + z * z / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def _score(pair: Pair, supposed: float) -> float:
    """Tango's z of "the difference is `supposed`", (2) and (3) of his paper; standard normal when it is."""
    fixed, broken, n = pair.fixed, pair.broken, pair.n
    residual = fixed - broken - n * supposed
    b = (2 * n - fixed + broken) * supposed - fixed - broken
    c = -broken * supposed * (1 - supposed)
    # The share of broken images that is likeliest if the difference were the supposed one.
    likeliest = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
    variance = n * (2 * likeliest + supposed * (1 - supposed))
    if variance <= 0:
        return 0.0 if residual == 0 else math.copysign(math.inf, residual)
    return residual / math.sqrt(variance)


def _where_score_is(wanted: float, pair: Pair, low: float, high: float) -> float:
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if _score(pair, middle) > wanted else (low, middle)
    return (low + high) / 2


def _two_figures(number: float) -> int:
    """Rounded up, and at least 1: the exact test may want another image where Connor's normal one does not."""
    if number <= 1:
        return 1
    step = int(10 ** max(0, math.floor(math.log10(number)) - 1))
    return math.ceil(number / step) * step


def _told(p_value: float, alpha: float) -> str:
    if p_value < 0.001:
        return "p < 0.001"
    short = f"{p_value:.3f}"
    # A p-value just below the level must not read as the level itself.
    return f"p = {p_value:.4f}" if float(short) == alpha else f"p = {short}"
