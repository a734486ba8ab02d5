"""A few numbers beside each other: four in a row where there is room, else two, so that none stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st


class Figure(NamedTuple):
    """One number; `explained` is what it says on hover (ours, not data: it is read as Markdown)."""

    label: str
    value: str
    explained: str | None = None


def figures(shown: Sequence[Figure], *, key: str) -> None:
    """Show the numbers in order, under each other by columns. How many go in a row is in `theme.css`."""
    with st.container(key=f"figures_{key}"), st.container(horizontal=True, key=f"figures_row_{key}"):
        for figure in shown:
            st.metric(figure.label, figure.value, help=figure.explained)
