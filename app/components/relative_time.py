"""Times as people say them, with the exact UTC time on hover; durations with their units."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from app.components.plain_text import badge_text

_UNITS: Final = ((86_400, "day"), (3_600, "h"), (60, "min"))


def relative_time(at: datetime, *, now: datetime | None = None, before: str = "") -> None:
    """Show `at` as in "26 min ago", after the word `before`; hovering or focusing shows the exact time."""
    told = relative(at, now or datetime.now(UTC))
    st.badge(f"{badge_text(before)} {told}".strip(), icon=":material/schedule:", color="gray", help=exact_utc(at))


def relative(at: datetime, now: datetime) -> str:
    """`at` as seen from `now`: "just now", "26 min ago", "3 days ago", "in 5 min". Both must know their time zone."""
    seconds = (now - at).total_seconds()
    if abs(seconds) < 10:
        return "just now"
    amount = _rounded(abs(seconds))
    return f"{amount} ago" if seconds > 0 else f"in {amount}"


def exact_utc(at: datetime) -> str:
    """`2026-03-01 14:02:11 UTC`"""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(length: timedelta) -> str:
    """A duration in its two largest units: `850 ms`, `4.2 s`, `1 min 24 s`, `2 h 5 min`, `3 days 4 h`."""
    seconds = max(0.0, length.total_seconds())
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return _pair(whole, 60, "min", 1, "s")
    if whole < 86_400:
        return _pair(whole, 3_600, "h", 60, "min")
    return _pair(whole, 86_400, "day", 3_600, "h")


def _rounded(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds >= size:
            return _count(int(seconds // size), unit)
    return f"{int(seconds)} s"


def _pair(whole: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    first, rest = divmod(whole, large)
    second = rest // small
    return f"{_count(first, large_unit)} {second} {small_unit}" if second else _count(first, large_unit)


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}s" if unit == "day" and number != 1 else f"{number} {unit}"
