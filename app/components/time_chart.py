"""Small charts over time for operations: several on a page, live without flicker, with gaps where nothing was seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

import streamlit as st

_GAP_STEPS: Final = 2.5
"""A sample may come a little late; two that are missing are a gap."""


class Moment(NamedTuple):
    """One value at a time; None is a gap."""

    at: datetime
    value: float | None


Line = Sequence[Moment]


def time_chart(
    lines: Mapping[str, Line],
    *,
    key: str,
    title: str,
    unit: str = "",
    span: tuple[datetime, datetime],
    step: timedelta,
    kind: Literal["line", "bar"] = "line",
    top: float | None = None,
    height: int = 190,
) -> None:
    """Show each line within `span`, whose points are `step` apart; farther ones are not joined.

    `top` fixes the end of the axis, which begins at 0. `height` in pixels. Times are UTC. Screen readers get
    `describe`.
    """
    st.markdown(f"**{title}**" + (f" :gray[{unit}]" if unit else ""))
    st.echarts_chart(
        chart_options(lines, span=span, step=step, kind=kind, top=top),
        key=key,
        height=height,
        alt=describe(lines, title=title, unit=unit),
    )


def chart_options(
    lines: Mapping[str, Line],
    *,
    span: tuple[datetime, datetime],
    step: timedelta,
    kind: Literal["line", "bar"] = "line",
    top: float | None = None,
) -> dict[str, Any]:
    """The chart as ECharts takes it (https://echarts.apache.org/en/option.html)."""
    several = len(lines) > 1
    axis: dict[str, Any] = {"type": "value", "min": 0, "splitNumber": 3}
    if top is not None:
        axis |= {"max": top, "interval": top / 2}
    elif kind == "bar":
        axis["minInterval"] = 1  # half an error is none
    return {
        "animation": False,
        "useUTC": True,
        "grid": {"left": 4, "right": 14, "top": 30 if several else 12, "bottom": 4, "containLabel": True},
        "legend": {"show": several, "top": 0, "left": 0, "icon": "roundRect", "itemWidth": 12, "itemHeight": 8},
        "tooltip": {"trigger": "axis"},
        "xAxis": {
            "type": "time",
            "min": _ms(span[0]),
            "max": _ms(span[1]),
            "splitNumber": 4,
            "axisLabel": {"hideOverlap": True},
            "splitLine": {"show": False},
        },
        "yAxis": axis,
        "series": [
            {
                "name": name,
                "type": kind,
                "data": _points(line, step) if kind == "line" else _bars(line),
                **(
                    {"symbol": "none", "lineStyle": {"width": 2}}
                    if kind == "line"
                    else {"barMinWidth": 2, "barMaxWidth": 10, "barGap": 0}
                ),
            }
            for name, line in lines.items()
        ],
    }


def describe(lines: Mapping[str, Line], *, title: str, unit: str = "") -> str:
    """The chart in words: the last value of each line and its range."""
    told = []
    for name, line in lines.items():
        values = [moment.value for moment in line if moment.value is not None and math.isfinite(moment.value)]
        if values:
            told.append(f"{name}: {values[-1]:.4g} now, from {min(values):.4g} to {max(values):.4g}")
        else:
            told.append(f"{name}: nothing seen")
    return f"{title}{f', {unit}' if unit else ''}, over time. {'; '.join(told)}."


def _points(line: Line, step: timedelta) -> list[Any]:
    points: list[Any] = []
    seen = [moment for moment in line if moment.value is not None]
    for before, moment, after in zip([None, *seen], seen, [*seen[1:], None], strict=False):
        begins = before is None or moment.at - before.at > _GAP_STEPS * step
        if begins and before is not None:
            points.append([_ms(moment.at - step), None])
        alone = begins and (after is None or after.at - moment.at > _GAP_STEPS * step)
        value = [_ms(moment.at), _rounded(moment.value or 0.0)]
        # A line of one point is none: it is drawn as a dot.
        points.append({"value": value, "symbol": "circle", "symbolSize": 5} if alone else value)
    return points


def _bars(line: Line) -> list[Any]:
    return [[_ms(moment.at), _rounded(moment.value)] for moment in line if moment.value]


def _ms(at: datetime) -> int:
    return round(at.astimezone(UTC).timestamp() * 1000)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
