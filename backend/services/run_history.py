"""Histories of runs as NumPy arrays: what was not logged in a row dropped, resumed parts one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.domain.run_columns import Column
from backend.domain.tracking import Floats, History, Integers
from backend.services.curves import Array, value_of


class Columns:
    """One history to take metrics from, as pairs of float64 [n]: where, ascending, and what."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.steps = continued(_floats(history.steps), history.segments)
        """Steps of all rows; those of a resumed part that begins again at 0 go on after the part before."""

    def metric(self, name: str) -> tuple[Array, Array]:
        """Steps and values of the rows that logged it; empty for a metric that the run does not have."""
        column = self._history.columns.get(name)
        if column is None or len(column) == 0:
            return np.empty(0), np.empty(0)
        values = _floats(column)
        logged = ~np.isnan(values)
        return (self.steps, values) if logged.all() else (self.steps[logged], values[logged])

    def times(self) -> tuple[Array, Array]:
        """Steps and Unix seconds of the rows whose time is known."""
        seconds = _floats(self._history.times)
        known = ~np.isnan(seconds)
        return (self.steps, seconds) if known.all() else (self.steps[known], seconds[known])

    def value(self, column: Column, *, smaller_is_better: bool) -> float | None:
        """What the table shows of a metric, for a column of that kind."""
        steps, values = self.metric(column.name)
        return value_of(steps, values, column.how, smaller_is_better=smaller_is_better, at=column.at)


def continued(steps: Array, segments: Sequence[int]) -> Array:
    """The steps as one ascending row: a segment that begins at or before the last step so far is moved behind it."""
    if len(segments) < 2:
        return steps
    moved = steps.copy()
    for start in segments[1:]:
        if 0 < start < len(moved) and moved[start] <= moved[start - 1]:
            moved[start:] += moved[start - 1] + 1 - moved[start]
    return moved


def _floats(column: Floats | Integers) -> Array:
    if len(column) == 0:
        return np.empty(0)
    return np.frombuffer(column, dtype=column.typecode).astype(np.float64, copy=False)
