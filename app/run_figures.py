"""Runs' histories as curves to draw: over an axis, smoothed, averaged by group, thinned to what a screen shows."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from app.components.run_charts import Line, Owner, Panel, Range, RunCharts
from backend.services.curves import Array, average, best_point, carried_to, smooth, thin, within

STEP, RELATIVE, WALL = "step", "relative time", "wall time"
"""Axes that every run has; any other is a metric's name."""
EPOCH: Final = "epoch"

_POINTS: Final = 300_000
"""In all panels together, of the lines themselves: more take longer to send and to draw than anybody sees."""
_NOT_JUDGED: Final = re.compile(r"(?:^|[/_.])(?:lr|learning_rate|momentum|weight_decay|epoch|step)$", re.IGNORECASE)
"""What somebody set: neither its highest nor its lowest value is a success."""
_FEWEST, _MOST = 40, 400  # bins of a line: two points each
_RAW_UP_TO: Final = 50  # lines; more faint ones are a grey cloud
_MARKED_UP_TO: Final = 12  # owners; of more, only the best one of all is marked


@dataclass(frozen=True, kw_only=True)
class Series:
    """One run's numbers. `metrics` are (steps, values) [n] each, ascending in steps; `times` are (steps, seconds since
    1970). `group` is what the run is averaged with.
    """

    owner: Owner
    metrics: Mapping[str, tuple[Array, Array]]
    times: tuple[Array, Array]
    group: str = ""
    not_numbers: Mapping[str, int] = field(default_factory=dict)
    """How often a metric was logged as NaN: those places are gaps that nobody would see."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How the curves are to be drawn. `smoothing` from 0 up to 1; `x` an axis; `range` a part of it."""

    metrics: Sequence[str]
    x: str = STEP
    smoothing: float = 0.0
    log_x: bool = False
    log_y: bool = False
    grouped: bool = False
    band: Literal["deviation", "range"] = "deviation"
    range: Range | None = None
    smaller_is_better: frozenset[str] = frozenset()
    """Those of the metrics of which the lowest value is the best."""
    judged: bool = True
    """Whether a best value is marked: what a machine did has none."""


def charts(runs: Sequence[Series], how: Drawing) -> RunCharts:
    """One panel for each metric, in order; a metric that no run has is a panel without lines."""
    owners = _groups(runs) if how.grouped else [run.owner for run in runs]
    if len(owners) == 1:
        owners = [replace(owners[0], colour=0)]
    lines = max(1, len(owners) * len(how.metrics))
    bins = min(_MOST, max(_FEWEST, _POINTS // (2 * lines)))
    panels = [_panel(runs, owners, metric, how, bins) for metric in how.metrics]
    kind: Literal["number", "duration", "time"] = (
        "duration" if how.x == RELATIVE else "time" if how.x == WALL else "number"
    )
    starts = [float(seconds[0]) for run in runs if len(seconds := run.times[1])] if how.x == WALL else []
    return RunCharts(
        owners=owners,
        panels=panels,
        x_title=how.x,
        x_kind=kind,
        x_whole=how.x in (STEP, EPOCH),
        origin=math.floor(min(starts, default=0.0)),
        log_x=how.log_x and how.x != WALL,
        log_y=how.log_y,
        range=how.range,
        cut=how.range is not None,
    )


def _groups(runs: Sequence[Series]) -> list[Owner]:
    names = list(dict.fromkeys(run.group for run in runs))
    counts = {name: sum(run.group == name for run in runs) for name in names}
    return [
        Owner(key=f"group {name}", name=f"{name or '(none)'} ({counts[name]})", colour=number)
        for number, name in enumerate(names)
    ]


def _panel(runs: Sequence[Series], owners: Sequence[Owner], metric: str, how: Drawing, bins: int) -> Panel:
    curves = [_curve(run, metric, how.x) for run in runs]
    lines = _averaged(runs, curves, how, bins) if how.grouped else _single(curves, how, bins)
    smaller = metric in how.smaller_is_better
    found = [
        (number, *point)
        for number, curve in enumerate(curves)
        if curve is not None and (point := best_point(*curve, smaller_is_better=smaller)) is not None
    ]
    if not found:
        return Panel(title=metric, lines=[], note="no values", alt=f"{metric}: no values.")
    if not how.judged or _NOT_JUDGED.search(metric):
        return Panel(title=metric, lines=lines, alt=f"{metric} over {how.x} of {len(found)} runs.")
    best = (min if smaller else max)(found, key=lambda entry: entry[2])
    name = runs[best[0]].owner.name
    marked = [] if how.grouped else found if len(owners) <= _MARKED_UP_TO else [best]
    word = "lowest" if smaller else "highest"
    without = len(runs) - len(found)
    missing = f" {without} have no values." if without else ""
    diverged = sum(metric in run.not_numbers for run in runs)
    if diverged:
        missing += f" {diverged} logged NaN."
    return Panel(
        title=metric,
        lines=lines,
        best=marked,
        note=f"{word} {best[2]:.4g}"
        + (f", {name}" if len(runs) > 1 else "")
        + (f" · NaN in {diverged}" if diverged and len(runs) > 1 else " · logged NaN" if diverged else ""),
        alt=f"{metric} over {how.x} of {len(found)} runs. The {word} value is {best[2]:.4g}, of {name}.{missing}",
    )


def _curve(run: Series, metric: str, axis: str) -> tuple[Array, Array] | None:
    """The metric over the axis; None when the run has not both."""
    if metric not in run.metrics:
        return None
    steps, values = run.metrics[metric]
    if axis == STEP:
        return steps, values
    if axis in (RELATIVE, WALL):
        of_steps, seconds = run.times
        x = carried_to(steps, of_steps, seconds - seconds[0] if axis == RELATIVE and len(seconds) else seconds)
    elif axis in run.metrics:
        x = carried_to(steps, *run.metrics[axis])
    else:
        return None
    placed = np.isfinite(x)
    x, values = x[placed], values[placed]
    if len(x) == 0:
        return None
    if np.any(np.diff(x) < 0):  # a metric as axis need not grow
        order = np.argsort(x, kind="stable")
        x, values = x[order], values[order]
    return x, values


def _single(curves: Sequence[tuple[Array, Array] | None], how: Drawing, bins: int) -> list[Line]:
    lines = []
    for owner, curve in enumerate(curves):
        if curve is None:
            continue
        x, y = curve
        if how.smoothing:
            if len(curves) <= _RAW_UP_TO:
                raw_x, raw_y = _shown(x, y, how, bins)
                lines.append(Line(owner=owner, x=raw_x, y=raw_y, kind="raw"))
            y = smooth(y, how.smoothing)
        x, y = _shown(x, y, how, bins)
        lines.append(Line(owner=owner, x=x, y=y))
    return lines


def _averaged(
    runs: Sequence[Series], curves: Sequence[tuple[Array, Array] | None], how: Drawing, bins: int
) -> list[Line]:
    """Of each group its mean and band, over whole curves: zooming must not change an average."""
    lines = []
    for owner, group in enumerate(dict.fromkeys(run.group for run in runs)):
        members = [curve for run, curve in zip(runs, curves, strict=True) if run.group == group and curve is not None]
        found = average([(x, smooth(y, how.smoothing)) for x, y in members], band=how.band)
        if len(found.x) == 0:
            continue
        x, y = _shown(found.x, found.mean, how, bins)
        if len(members) > 1:
            lines.append(Line(owner=owner, x=found.x, y=found.low, high=found.high, kind="band"))
        lines.append(Line(owner=owner, x=x, y=y))
    return lines


def _shown(x: Array, y: Array, how: Drawing, bins: int) -> tuple[Array, Array]:
    if how.range is not None:
        x, y = within(x, y, *how.range)
    return thin(x, y, bins)
