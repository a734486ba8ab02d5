"""The square that people draw a digit in: a Streamlit component of our own, three files beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import streamlit as st

from backend.errors import InvalidInputError

_HERE: Final = Path(__file__)


@dataclass(frozen=True, kw_only=True)
class CanvasEvent:
    """The whole drawing as the browser last sent it, after a stroke, an undo, a clear or Enter.

    `strokes` is raw and untrusted: a list of `{"width": w, "points": [[x, y], ...]}` in a 280 x 280 space, to be
    parsed where drawings are parsed. `seq` grows with every event and is never used twice, also not after the page
    was left and opened again.
    """

    strokes: list[Any]
    seq: int


_component = st.components.v2.component(
    "digit_canvas",
    html=_HERE.with_suffix(".html").read_text(encoding="utf-8"),
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,  # Undo and Clear carry `st-key-*` classes that assistive tools look for in the page itself
)


def digit_canvas(*, key: str = "digit_canvas", strokes: Sequence[Any] = (), revision: int = 0) -> CanvasEvent | None:
    """Show the canvas and return what was drawn last on it, or None when nothing was since it was opened.

    The page owns the drawing: it keeps the `strokes` of each event with a new `seq` (in `st.session_state`) and hands
    them in again, because Streamlit forgets a component when the page is left. The browser takes `strokes` when it
    opens the canvas and whenever `revision` is another than before: increase it to change the drawing from Python.

    The same event comes back on every later run, so compare `seq`. Raises `InvalidInputError` when what the browser
    sent is not a drawing at all.
    """
    result = _component(
        key=key, data={"strokes": list(strokes), "revision": revision}, on_drawing_change=_nothing, width="stretch"
    )
    drawing = result.get("drawing")
    return None if drawing is None else parse_event(drawing)


def parse_event(drawing: object) -> CanvasEvent:
    """What the browser sent, as an event. Raises `InvalidInputError` when it is no drawing at all."""
    match drawing:
        case {"strokes": list(strokes), "seq": int(seq)}:
            return CanvasEvent(strokes=strokes, seq=seq)
    raise InvalidInputError(
        f"The canvas sent no drawing: expected 'strokes' (a list) and 'seq' (a number), got {str(drawing)[:80]!r}.",
        hint="Reload the page.",
    )


def _nothing() -> None:
    """Streamlit keeps the state `drawing` only when something listens to its changes."""
