"""Shares of the ten digits, those that were answered beside those of the test set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st


def mix_bars(answered: Sequence[int], tested: Sequence[int], *, key: str, height: int = 220) -> None:
    """Counts [10] each; a side that counted nothing is left out. `height` in pixels."""
    st.echarts_chart(mix_options(answered, tested), key=key, height=height, alt=describe(answered, tested))


def mix_options(answered: Sequence[int], tested: Sequence[int]) -> dict[str, Any]:
    """The chart as ECharts takes it (https://echarts.apache.org/en/option.html)."""
    sides = {"answered": answered, "on the test set": tested}
    return {
        "animation": False,
        "grid": {"left": 4, "right": 8, "top": 30, "bottom": 4, "containLabel": True},
        "legend": {"top": 0, "left": 0, "icon": "roundRect", "itemWidth": 12, "itemHeight": 8},
        "tooltip": {"trigger": "axis"},
        "xAxis": {"type": "category", "data": [str(digit) for digit in range(10)], "axisTick": {"show": False}},
        "yAxis": {"type": "value", "min": 0, "splitNumber": 3, "axisLabel": {"formatter": "{value} %"}},
        "series": [
            {"name": name, "type": "bar", "barGap": "10%", "data": _shares(counts)}
            for name, counts in sides.items()
            if sum(counts)
        ],
    }


def describe(answered: Sequence[int], tested: Sequence[int]) -> str:
    """The chart in words."""
    told = [
        f"{name}: " + ", ".join(f"{digit} {share:g} %" for digit, share in enumerate(_shares(counts)))
        for name, counts in (("Answered", answered), ("On the test set", tested))
        if sum(counts)
    ]
    return f"Shares of the digits. {'; '.join(told) or 'Nothing was answered yet'}."


def _shares(counts: Sequence[int]) -> list[float]:
    return [round(100 * count / sum(counts), 1) for count in counts]
