"""Small pictures of digits, one of which may be chosen: buttons, for mouse, finger and keyboard alike."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import streamlit as st

_HERE: Final = Path(__file__)

_component = st.components.v2.component(
    "digit_picker",
    html=_HERE.with_suffix(".html").read_text(encoding="utf-8"),
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A picture of 784 bytes (ink bright), what it is called by when it is picked, and its words.

    `text` stands below it, and `note` small below that; `alt` says it to who cannot see it; `difficulty` (easy, hard,
    wrong or empty) colours the note.
    """

    place: int
    pixels: bytes
    text: str
    alt: str
    note: str = ""
    difficulty: str = ""


def digit_picker(choices: Sequence[Choice], *, chosen: int | None, shows: str, key: str) -> int | None:
    """Show the pictures, `chosen` marked, and return the place of the one that was picked just now, else None.

    After a pick the browser brings the element with the key `shows` into view, where the choice can be seen.

    What the browser sends is untrusted: a place that is not among `choices` is None too.
    """
    shown = hashlib.sha256(
        repr([(choice.place, choice.text, choice.note, choice.pixels) for choice in choices]).encode()
    )
    result = _component(
        key=key,
        data={
            "shown": shown.hexdigest(),
            "chosen": chosen,
            "shows": f".st-key-{shows}",
            "pictures": [
                {
                    "place": choice.place,
                    "pixels": base64.b64encode(choice.pixels).decode(),
                    "text": choice.text,
                    "note": choice.note,
                    "alt": choice.alt,
                    "difficulty": choice.difficulty,
                }
                for choice in choices
            ],
        },
        on_picked_change=_nothing,
        width="stretch",
    )
    picked = result.get("picked")
    return picked if any(choice.place == picked for choice in choices) else None


def _nothing() -> None:
    """Streamlit tells what was picked only when something listens to it."""
