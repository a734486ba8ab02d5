"""Curves of one to a thousand runs in linked panels: a Streamlit component of our own, four files beside this one.

Streamlit's ECharts, which the other live charts use, forgets the zoom at every change of the data, links nothing from
chart to chart, and lists every line at the pointer; with runs by the hundred these three decide. The curves travel as
numbers and not as text (about a fifth of the bytes), and the browser draws them on a canvas.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import streamlit as st

_HERE: Final = Path(__file__)
_KINDS: Final = ("line", "raw", "band")

Array = npt.NDArray[np.float64]
Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A run, or a group of runs, that has a line in each panel. `colour` is the number of a colour of the theme."""

    key: str
    name: str
    colour: int


@dataclass(frozen=True, kw_only=True)
class Line:
    """Points [n] of one owner, ascending in x. A band goes from y to `high`; a raw line lies faint under its own."""

    owner: int
    x: Array
    y: Array
    high: Array | None = None
    kind: Literal["line", "raw", "band"] = "line"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One metric. `best` are points to mark, of an owner each; `note` is shown beside the title, `alt` instead of it
    all to who does not see it.
    """

    title: str
    lines: Sequence[Line]
    best: Sequence[tuple[int, float, float]] = ()
    note: str = ""
    alt: str = ""


@dataclass(frozen=True, kw_only=True)
class RunCharts:
    """Panels over one axis. `origin` is added to every x when it is told: seconds since 1970 need more digits than a
    float32 has. `x_whole` tells that x counts something, `cut` that the lines were cut to `range`, which is then shown.
    """

    owners: Sequence[Owner]
    panels: Sequence[Panel]
    x_title: str
    x_kind: Literal["number", "duration", "time"] = "number"
    x_whole: bool = False
    origin: float = 0.0
    log_x: bool = False
    log_y: bool = False
    range: Range | None = None
    cut: bool = False


_component = st.components.v2.component(
    "run_charts",
    html=_HERE.with_suffix(".html").read_text(encoding="utf-8"),
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    # One script in the browser: a component cannot import from a second one.
    js=_HERE.with_name("run_charts_scales.js").read_text(encoding="utf-8")
    + _HERE.with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def run_charts(encoded: bytes, *, key: str, on_zoom: Callable[[], None]) -> None:
    """Show what `encode` made. The same bytes draw nothing again, whatever else on the page changes.

    `on_zoom` is called before the next run when somebody zoomed: `zoomed_to(key)` says to what.
    """
    _component(key=key, data=encoded, on_range_change=on_zoom, width="stretch")


def zoomed_to(key: str) -> Range | None:
    """The range of x that was chosen with the pointer; None when all is shown."""
    return parse_range(st.session_state.get(key, {}).get("range"))


def parse_range(sent: object) -> Range | None:
    """What the browser sent, or nothing when it is no range."""
    match sent:
        case [int() | float() as low, int() | float() as high] if math.isfinite(low) and math.isfinite(high):
            return (float(low), float(high)) if low < high else None
    return None


def encode(charts: RunCharts) -> bytes:
    """A uint32 (little-endian) with the length of the header, the header as JSON, then float32 numbers.

    The header names of each line its owner, its kind, where its numbers begin and how many points it has; the numbers
    are all x, all y and, of a band, all upper y. It begins with `{"revision":"` and 16 digits of a hash of the rest.
    """
    blocks: list[npt.NDArray[np.float32]] = []
    length = 0
    panels = []
    for panel in charts.panels:
        lines = []
        for line in panel.lines:
            lines.append([line.owner, _KINDS.index(line.kind), length, len(line.x)])
            parts = (
                [line.x - charts.origin, line.y] if line.high is None else [line.x - charts.origin, line.y, line.high]
            )
            blocks += [part.astype(np.float32) for part in parts]
            length += sum(map(len, parts))
        best = [[owner, x - charts.origin, y] for owner, x, y in panel.best]
        panels.append({"title": panel.title, "note": panel.note, "alt": panel.alt, "lines": lines, "best": best})
    shifted = None if charts.range is None else [end - charts.origin for end in charts.range]
    head: dict[str, Any] = {
        "x": {
            "title": charts.x_title,
            "kind": charts.x_kind,
            "whole": charts.x_whole,
            "log": charts.log_x,
            "origin": charts.origin,
        },
        "log_y": charts.log_y,
        "range": shifted,
        "cut": charts.cut,
        "runs": [{"key": owner.key, "name": owner.name, "colour": owner.colour} for owner in charts.owners],
        "panels": panels,
    }
    numbers = np.concatenate(blocks).tobytes() if blocks else b""
    text = json.dumps(head, separators=(",", ":"))
    revision = hashlib.blake2b(text.encode() + numbers, digest_size=8).hexdigest()
    header = f'{{"revision":"{revision}",{text[1:]}'.encode()
    header += b" " * (-len(header) % 4)  # the numbers begin where float32 may
    return len(header).to_bytes(4, "little") + header + numbers
