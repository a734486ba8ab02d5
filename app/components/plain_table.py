"""A table to read and to print, whose cells come from anywhere: shown as they are, never read as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import streamlit as st

_SPECIAL: Final = re.compile(r"([!-/:-@\[-`{-~])")
"""All of ASCII's punctuation: any of it may be escaped by a backslash (CommonMark 0.31, section 2.4)."""


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, key: str, alt: str) -> None:
    """Show the rows below the names of their columns; without names, as facts by their labels.

    `alt` is what it is called for who cannot see it.
    """
    names = columns or [""] * len(rows[0]) if rows else columns
    data = {index: [escaped(row[index]) for row in rows] for index in range(len(names))}
    with st.container(key=f"table_{key}"):
        st.table(
            # A column's name may be empty, or there twice: spaces, which are not seen, tell them apart.
            {escaped(name) + " " * index: data[index] for index, name in enumerate(names)},
            border="horizontal",
            hide_index=True,
            hide_header=not columns,
            alt=alt,
        )


def escaped(text: str) -> str:
    """The text as Markdown that reads as the text itself, on one line. A web address in it can be followed."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
