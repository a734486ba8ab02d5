"""Line chart of metrics over steps or epochs: many series, linear or log, live without flicker."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import streamlit as st

Points = Sequence[tuple[float, float]]
_SYMBOLS_UP_TO: Final = 40  # more points than this and the dots hide the line


def metric_chart(
    series: Mapping[str, Points],
    *,
    key: str,
    x_name: str,
    y_name: str = "",
    scale: Literal["value", "log"] = "value",
    x_range: tuple[float, float] | None = None,
    height: int = 280,
) -> None:
    """Show each series' (x, y) points, in its order. What is not a finite number (or not above zero on a log scale)
    is a gap in the line, never a zero.

    `x_range` keeps a live chart's axis still. `height` in pixels. Screen readers get `describe(series)`.
    """
    st.echarts_chart(
        chart_options(series, x_name=x_name, y_name=y_name, scale=scale, x_range=x_range),
        key=key,
        height=height,
        alt=describe(series, x_name=x_name),
    )


def chart_options(
    series: Mapping[str, Points],
    *,
    x_name: str,
    y_name: str = "",
    scale: Literal["value", "log"] = "value",
    x_range: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """The chart as ECharts takes it (https://echarts.apache.org/en/option.html)."""
    return {
        "animation": False,  # else every refresh of a live chart plays the entry again
        "grid": {"left": 8, "right": 16, "top": 40, "bottom": 34, "containLabel": True},
        "legend": {"type": "scroll", "top": 0, "right": 0, "icon": "roundRect", "itemWidth": 12, "itemHeight": 8},
        "tooltip": {"trigger": "axis"},
        "xAxis": {
            "type": "value",
            "name": x_name,
            "nameLocation": "middle",
            "nameGap": 26,
            "min": x_range[0] if x_range else "dataMin",
            "max": x_range[1] if x_range else "dataMax",
            "splitLine": {"show": False},
        },
        "yAxis": {"type": scale, "name": y_name, "nameLocation": "end", "scale": True},
        "series": [
            {
                "name": name,
                "type": "line",
                "data": [[x, y if _drawable(y, scale) else None] for x, y in points],
                "showSymbol": len(points) <= _SYMBOLS_UP_TO,
                "symbol": "circle",
                "symbolSize": 4,
                "lineStyle": {"width": 2},
                "sampling": "lttb",
            }
            for name, points in series.items()
        ],
    }


def describe(series: Mapping[str, Points], *, x_name: str) -> str:
    """The chart in words: where each series is now, and its range."""
    told = []
    for name, points in series.items():
        values = [y for _, y in points if math.isfinite(y)]
        if values:
            told.append(
                f"{name}: {values[-1]:.4g} after {len(points)} points, from {min(values):.4g} to {max(values):.4g}"
            )
        else:
            told.append(f"{name}: no values yet")
    return f"Line chart over {x_name}. " + "; ".join(told) + "."


def _drawable(y: float, scale: str) -> bool:
    return math.isfinite(y) and (scale != "log" or y > 0)
