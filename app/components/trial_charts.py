"""A search's trials over epochs and over their numbers, live: many lines, of which few matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from app import theme
from app.components.metric_chart import chart_options, describe

Points = Sequence[tuple[float, float]]
_NAMED_LINES: Final = 10
"""More lines than this and no legend or tooltip could name them all."""


@dataclass(frozen=True, kw_only=True)
class History:
    """Values by trial number: of trials that went to their end, that were ended early, and the best so far.

    `before` are the trials of the job that was learnt from, at numbers up to 0, the last at 0.
    """

    completed: Points
    stopped_early: Points
    best: Points
    before: Points


def trial_curves(
    curves: Mapping[str, Points],
    *,
    best: str,
    running: Sequence[str],
    key: str,
    metric: str,
    epochs: float,
    y_range: tuple[float, float] | None = None,
    height: int = 290,
) -> None:
    """Each trial's objective by epoch: the best one and those that run stand out, the others are their background."""
    st.echarts_chart(
        curves_options(
            curves,
            best=best,
            running=running,
            metric=metric,
            epochs=epochs,
            colours=theme.series_colours(),
            y_range=y_range,
        ),
        key=key,
        height=height,
        alt=describe(dict(list(curves.items())[:_NAMED_LINES]), x_name="epoch"),
    )


def curves_options(
    curves: Mapping[str, Points],
    *,
    best: str,
    running: Sequence[str],
    metric: str,
    epochs: float,
    colours: Sequence[str],
    y_range: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """The chart as ECharts takes it. `colours` are those of the theme's series, in order."""
    options = chart_options(curves, x_name="epoch", y_name=metric, x_range=(0, epochs))
    special = [*running, *([best] if best and best not in running else [])]
    many = len(curves) > _NAMED_LINES
    grey, faint = colours[8], 0.25 if len(curves) > 50 else 0.45
    live = iter(colours[1:8] * len(running))
    for line in options["series"]:
        name = line["name"]
        colour = colours[0] if name == best else next(live) if name in running else grey
        stands_out = name in special
        line |= {
            "color": colour,
            "lineStyle": {"width": 2.5 if stands_out else 1.5, "opacity": 1 if stands_out else faint},
            "itemStyle": {"opacity": 1 if stands_out else faint},
            "z": 3 if stands_out else 2,
            "emphasis": {"lineStyle": {"width": 3, "opacity": 1}, "itemStyle": {"opacity": 1}},
        }
        if name == best:
            line["name"] = f"{name} (best)"
    options["tooltip"] = {"trigger": "item" if many else "axis"}
    named = [line["name"] for line in options["series"] if line["z"] == 3]
    options["legend"] |= {"data": named[:_NAMED_LINES], "show": bool(named)}
    return _labelled(options, y_range)


def trial_history(
    history: History,
    *,
    parent: str,
    trials: int,
    key: str,
    metric: str,
    y_range: tuple[float, float] | None = None,
    height: int = 290,
) -> None:
    """The objective by trial number, of `trials` in all: a trial without a value is a gap."""
    st.echarts_chart(
        history_options(
            history, parent=parent, trials=trials, metric=metric, colours=theme.series_colours(), y_range=y_range
        ),
        key=key,
        height=height,
        alt=history_words(history, metric),
    )


def history_options(
    history: History,
    *,
    parent: str,
    trials: int,
    metric: str,
    colours: Sequence[str],
    y_range: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """The chart as ECharts takes it. `parent` names the job whose trials come before the first."""
    options = chart_options({}, x_name="trial", y_name=metric)
    # Categories: the trials of another job have a place before the first, but no number of this one.
    first = min(1, *(int(x) for x, _ in history.before)) if history.before else 1
    numbers = [str(number) if number > 0 else "" for number in range(first, max(trials, 2) + 1)]
    options["xAxis"] = {
        "type": "category",
        "data": numbers,
        "name": "trial",
        "nameLocation": "middle",
        "nameGap": 26,
        "axisTick": {"alignWithLabel": True},
    }
    history = History(
        completed=_places(history.completed, first),
        stopped_early=_places(history.stopped_early, first),
        best=_places(history.best, first),
        before=_places(history.before, first),
    )
    options["tooltip"] = {"trigger": "item"}
    options["series"] = [
        {
            "name": "Best so far",
            "type": "line",
            "step": "end",
            "data": [list(point) for point in history.best],
            "showSymbol": False,
            "lineStyle": {"width": 2},
            "color": colours[0],
            "z": 2,
        },
        _dots("Completed", history.completed, colours[1], symbol="circle"),
        _dots("Stopped early", history.stopped_early, colours[2], symbol="diamond"),
    ]
    if history.before:
        ghosts = _dots(f"Learnt from {parent}", history.before, colours[8], symbol="circle")
        options["series"].append(ghosts | {"itemStyle": {"opacity": 0.4}})
    options["series"] = [series for series in options["series"] if series["data"]]
    return _labelled(options, y_range)


def history_words(history: History, metric: str) -> str:
    """The chart in words."""
    if not history.completed:
        return f"No trial has completed: no {metric} yet."
    number, best = next(point for point in history.completed if point[1] == history.best[-1][1])
    early = f", {len(history.stopped_early)} were ended early" if history.stopped_early else ""
    learnt = f"; {len(history.before)} trials of an earlier job were learnt from" if history.before else ""
    return (
        f"{metric} by trial: {len(history.completed)} completed{early}{learnt}. Best is {best:.4g}, trial {number:g}."
    )


def _labelled(options: dict[str, Any], y_range: tuple[float, float] | None) -> dict[str, Any]:
    """The vertical axis' name over its own labels, below the legend, and the axis itself as it is asked for."""
    options["grid"]["top"] = 52
    options["yAxis"] |= {"nameTextStyle": {"align": "left", "padding": [0, 0, 0, -28]}, "nameGap": 12}
    if y_range is not None:
        options["yAxis"] |= {
            "min": y_range[0],
            "max": y_range[1],
            "axisLabel": {"showMinLabel": False, "showMaxLabel": False},
        }
    return options


def _places(points: Points, first: int) -> Points:
    return [(x - first, y) for x, y in points]


def _dots(name: str, points: Points, colour: str, *, symbol: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "scatter",
        "data": [list(point) for point in points],
        "symbol": symbol,
        "symbolSize": 9 if len(points) < 60 else 6,
        "color": colour,
        "z": 3,
    }
