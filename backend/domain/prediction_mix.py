"""Which digits a stage's answers were, how sure it was, and whether that is the mix that it was tested on.

Sources: Pearson's chi-square test of homogeneity, with Cochran's rule ("Some methods for strengthening the common
chi-square tests", Biometrics 10, 1954) that no cell should expect fewer than 5; its tail for odd degrees of freedom in
closed form, Abramowitz and Stegun 26.4.4. The population stability index and its bounds 0.1 and 0.25: Siddiqi, "Credit
Risk Scorecards" (2006).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

DIGITS: Final = 10
FEWEST: Final = 100
"""Predictions before anything is said: the rarest digit (about 9 % of MNIST) is then expected more than 5 times."""
ALPHA: Final = 0.01
"""Looked at all day long, a level of 5 % would cry wolf."""
SMALL: Final = 0.1
LARGE: Final = 0.25
UNSURE_BELOW: Final = 0.8
"""A most probable digit below this probability counts as an unsure answer."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The answers of one version from `at` on, for a minute or a chart's step; no image, and nobody's name.

    `digits` counts the answers by label, `confidence` adds up the probability of each label, `unsure` counts those
    below `UNSURE_BELOW`. `failed` counts requests of our clients that got no answer; their `version` is 0.
    """

    at: datetime
    version: int
    digits: tuple[int, ...] = (0,) * DIGITS
    confidence: float = 0.0
    unsure: int = 0
    failed: int = 0

    @property
    def n(self) -> int:
        return sum(self.digits)

    def plus(self, other: Tally) -> Tally:
        """Both together, under this one's time and version."""
        return Tally(
            at=self.at,
            version=self.version,
            digits=tuple(mine + theirs for mine, theirs in zip(self.digits, other.digits, strict=True)),
            confidence=self.confidence + other.confidence,
            unsure=self.unsure + other.unsure,
            failed=self.failed + other.failed,
        )


def tallied(rows: Sequence[Sequence[float]], *, version: int, at: datetime) -> Tally:
    """The tally of the answers `rows` [N][10], probabilities of the digits."""
    digits, sure = [0] * DIGITS, [max(row) for row in rows]
    for row, highest in zip(rows, sure, strict=True):
        digits[list(row).index(highest)] += 1
    return Tally(
        at=at,
        version=version,
        digits=tuple(digits),
        confidence=math.fsum(sure),
        unsure=sum(one < UNSURE_BELOW for one in sure),
    )


def gathered(tallies: Sequence[Tally], step: timedelta) -> Sequence[Tally]:
    """One for each step and version, oldest first; `tallies` may be in any order and of any clients."""
    found: dict[tuple[int, int], Tally] = {}
    for tally in tallies:
        begun = int(tally.at.timestamp() // step.total_seconds() * step.total_seconds())
        place = (begun, tally.version)
        moved = replace(tally, at=datetime.fromtimestamp(begun, UTC))
        found[place] = found[place].plus(moved) if place in found else moved
    return [found[place] for place in sorted(found)]


def total(tallies: Sequence[Tally], version: int) -> tuple[int, ...]:
    """How often `version` answered each digit."""
    mine = [tally.digits for tally in tallies if tally.version == version]
    return tuple(sum(column) for column in zip(*mine, strict=True)) if mine else (0,) * DIGITS


class Shift(Enum):
    """`SLIGHT`: more than chance explains, and too little to matter."""

    TOO_FEW = "MixTooFew"
    NONE = "MixAsTested"
    SLIGHT = "MixSlight"
    SHIFTED = "MixShifted"


@dataclass(frozen=True, kw_only=True)
class MixDrift:
    """The answers against those on the test set: `n` and `tested` of them.

    `p_value` is of "both are of one mix", `index` the population stability index; NaN while there are too few.
    """

    n: int
    tested: int
    p_value: float
    index: float

    @property
    def shift(self) -> Shift:
        if self.n < FEWEST or not self.tested:
            return Shift.TOO_FEW
        if self.p_value >= ALPHA:
            return Shift.NONE
        return Shift.SHIFTED if self.index >= SMALL else Shift.SLIGHT

    def sentence(self) -> str:
        numbers = f"{_told(self.p_value)}, stability index {self.index:.2f}"
        match self.shift:
            case Shift.TOO_FEW if not self.tested:
                return "What it answers on the test set is not known: evaluate the version."
            case Shift.TOO_FEW:
                return f"Not enough predictions yet: {self.n} of the {FEWEST} that it takes to say anything."
            case Shift.NONE:
                return f"As on the test set: chance explains the difference ({numbers})."
            case Shift.SLIGHT:
                return f"Not quite as on the test set, and too little to matter ({numbers})."
            case Shift.SHIFTED:
                much = "very different from" if self.index >= LARGE else "different from"
                return f"The mix is {much} the test set's ({numbers}): what is asked is not what was tested."


def mix_drift(answered: Sequence[int], tested: Sequence[int]) -> MixDrift:
    """`answered` and `tested` count labels [10]."""
    n, m = sum(answered), sum(tested)
    if n < FEWEST or not m:
        return MixDrift(n=n, tested=m, p_value=math.nan, index=math.nan)
    statistic, index, cells = 0.0, 0.0, 0
    for mine, theirs in zip(answered, tested, strict=True):
        if mine + theirs == 0:
            continue
        cells += 1
        share = (mine + theirs) / (n + m)
        statistic += (mine - n * share) ** 2 / (n * share) + (theirs - m * share) ** 2 / (m * share)
        # Half an answer in an empty cell: the logarithm of nothing is not a number.
        a, b = max(mine, 0.5) / n, max(theirs, 0.5) / m
        index += (a - b) * math.log(a / b)
    return MixDrift(n=n, tested=m, p_value=chi_square_tail(statistic, cells - 1), index=index)


def chi_square_tail(statistic: float, freedom: int) -> float:
    """The chance of so large a chi-square, or a larger one, with `freedom` degrees; 1 for 0 of them."""
    if freedom <= 0 or statistic <= 0:
        return 1.0
    half = statistic / 2
    # Q(a + 1) = Q(a) + half^a e^-half / Gamma(a + 1), from Q(1/2) = erfc(sqrt(half)) or Q(1) = e^-half.
    a = 0.5 if freedom % 2 else 1.0
    tail = math.erfc(math.sqrt(half)) if freedom % 2 else math.exp(-half)
    while a < freedom / 2:
        tail += math.exp(a * math.log(half) - half - math.lgamma(a + 1))
        a += 1
    return min(1.0, tail)


def _told(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
