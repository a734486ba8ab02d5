"""Text from anywhere (names, tags, comments, other programs' words) where Streamlit would read it as Markdown."""

from __future__ import annotations

import re
from typing import Final

_SPECIAL: Final = re.compile(r"([!-/:-@\[-`{-~])")
"""All of ASCII's punctuation: any of it may be escaped by a backslash (CommonMark 0.31, section 2.4)."""


_BRACKETS: Final = re.compile(r"\\([\[\]])")


def escaped(text: str) -> str:
    """The text as Markdown that reads as the text itself, on one line. A web address in it can be followed."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def badge_text(text: str) -> str:
    """The same for `st.badge`, which escapes brackets itself: escaped twice they are brackets again."""
    return _BRACKETS.sub(r"\1", escaped(text))
