"""A table to read and to print, whose cells come from anywhere: shown as they are, never read as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.components.plain_text import escaped


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
