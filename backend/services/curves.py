"""What is done to a run's curves before they are drawn: smoothed, thinned out, put over another axis, averaged.

A curve is a pair of float64 arrays [n], x and y. A y that is not finite is a gap: it is never drawn as a number, never
smoothed over and never counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from backend.domain.run_columns import How

Array = npt.NDArray[np.float64]
_LARGEST_FACTOR: Final = 200.0
"""Decimal powers that the sum of an average may span: doubles end at 308."""


def smooth(y: Array, weight: float) -> Array:
    """Exponential moving average of `y`, `weight` (0 up to 1) being what is kept of the past, as TensorBoard does it.

    Corrected for its start: the average of the first k values is divided by 1 - weight^k (Kingma and Ba, Adam, 2015,
    section 3), so that it does not begin near zero. Gaps stay gaps and do not count as a step.
    """
    if not 0 <= weight < 1:
        raise ValueError(f"weight is {weight}, from 0 up to but not 1")
    if weight == 0:
        return y
    there = np.isfinite(y)
    values = y[there]
    average = np.empty_like(values)
    # e_k = w e_(k-1) + (1 - w) x_k is w^k (e_0 + (1 - w) sum x_i / w^i): a cumulative sum over as many steps as
    # w^-k has room for, then anew from the average so far.
    length = max(1, int(_LARGEST_FACTOR / -np.log10(weight)))
    carried = 0.0
    for start in range(0, len(values), length):
        block = values[start : start + length]
        powers = weight ** np.arange(1, len(block) + 1, dtype=np.float64)
        average[start : start + length] = powers * (carried + (1 - weight) * np.cumsum(block / powers))
        carried = float(average[start + len(block) - 1])
    smoothed = np.full_like(y, np.nan)
    smoothed[there] = average / (1 - weight ** np.arange(1, len(values) + 1, dtype=np.float64))
    return smoothed


def thin(x: Array, y: Array, bins: int) -> tuple[Array, Array]:
    """At most 2 `bins` + 2 points that look the same: of each of `bins` equal runs of points, the lowest and highest.

    The first and last point stay, and so does every extreme: a spike of one step is never lost. Where a bin has a
    gap, a gap stays too (then there may be one point more in each bin).
    """
    n = len(y)
    if n <= 2 * bins:
        return x, y
    size = -(-n // bins)
    padded = np.full(size * -(-n // size), y[-1])
    padded[:n] = y
    rows = padded.reshape(-1, size)
    gaps = ~np.isfinite(rows)
    starts = np.arange(0, rows.size, size)
    low = starts + np.where(gaps, np.inf, rows).argmin(axis=1)
    high = starts + np.where(gaps, -np.inf, rows).argmax(axis=1)
    kept = [np.array([0, n - 1]), low, high]
    if gaps.any():
        kept.append((starts + gaps.argmax(axis=1))[gaps.any(axis=1)])
    index = np.unique(np.minimum(np.concatenate(kept), n - 1))
    return x[index], y[index]


def within(x: Array, y: Array, low: float, high: float) -> tuple[Array, Array]:
    """The points from `low` to `high` in x, and one neighbour on each side so that the line reaches the edges."""
    inside = np.flatnonzero((x >= low) & (x <= high))
    if len(inside) == 0:
        # The line may cross a range that lies between two of its points.
        after = int(np.searchsorted(x, high)) if len(x) and np.all(np.diff(x) >= 0) else 0
        return (x[after - 1 : after + 1], y[after - 1 : after + 1]) if 0 < after < len(x) else (x[:0], y[:0])
    first, last = max(0, inside[0] - 1), min(len(x), inside[-1] + 2)
    return x[first:last], y[first:last]


def carried_to(steps: Array, of_steps: Array, values: Array) -> Array:
    """The `values`, reported at ascending `of_steps`, as they stood at each of `steps`; NaN before the first report."""
    there = np.isfinite(values)
    if not there.any():
        return np.full(len(steps), np.nan)
    place = np.searchsorted(of_steps[there], steps, side="right") - 1
    return np.where(place >= 0, values[there][np.maximum(place, 0)], np.nan)


def value_of(steps: Array, values: Array, how: How, *, smaller_is_better: bool, at: float = 0.0) -> float | None:
    """The one value that stands for the metric; None when there is none. `at` is a step, for `how` "at"."""
    there = np.isfinite(values)
    if how == "at":
        there &= steps <= at
    found = values[there]
    if len(found) == 0:
        return None
    if how == "best":
        how = "min" if smaller_is_better else "max"
    match how:
        case "min":
            return float(found.min())
        case "max":
            return float(found.max())
        case "first":
            return float(found[0])
        case _:
            return float(found[-1])


def best_point(x: Array, y: Array, *, smaller_is_better: bool) -> tuple[float, float] | None:
    """Where the curve is best, the first time; None when it has no value."""
    if not np.isfinite(y).any():
        return None
    place = int(np.nanargmin(np.where(np.isfinite(y), y, np.nan)) if smaller_is_better else _argmax(y))
    return float(x[place]), float(y[place])


def _argmax(y: Array) -> int:
    return int(np.nanargmax(np.where(np.isfinite(y), y, np.nan)))


@dataclass(frozen=True, kw_only=True)
class Averaged:
    """The mean of several curves on one axis, and the band around it: arrays [n]."""

    x: Array
    mean: Array
    low: Array
    high: Array


def average(
    curves: Sequence[tuple[Array, Array]], *, band: Literal["deviation", "range"], points: int = 400
) -> Averaged:
    """Mean of the curves, interpolated to one axis of at most `points` places; the band is the mean plus and minus one
    standard deviation (of the population), or from the lowest to the highest.

    At each place only the curves that reach it count: none is continued beyond its ends.
    """
    ready = [(x[ok], y[ok]) for x, y in curves if (ok := np.isfinite(x) & np.isfinite(y)).any()]
    if not ready:
        nothing = np.empty(0)
        return Averaged(x=nothing, mean=nothing, low=nothing, high=nothing)
    axis = np.unique(np.concatenate([x for x, _ in ready]))
    if len(axis) > points:
        axis = np.linspace(axis[0], axis[-1], points)
    table = np.full((len(ready), len(axis)), np.nan)
    for row, (x, y) in enumerate(ready):
        order = np.argsort(x, kind="stable")
        table[row] = np.interp(axis, x[order], y[order], left=np.nan, right=np.nan)
    reached = np.isfinite(table).any(axis=0)
    axis, table = axis[reached], table[:, reached]
    mean = np.nanmean(table, axis=0)
    if band == "range":
        return Averaged(x=axis, mean=mean, low=np.nanmin(table, axis=0), high=np.nanmax(table, axis=0))
    deviation = np.nanstd(table, axis=0)
    return Averaged(x=axis, mean=mean, low=mean - deviation, high=mean + deviation)
