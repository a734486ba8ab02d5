"""Versions and their metrics: the best of each column is marked, also for who sees no colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import streamlit as st

from app import theme

BEST: Final = "★"


class Column(NamedTuple):
    """One metric of every row, in order; `form` says how a value is written, None is not known."""

    label: str
    values: Sequence[float | None]
    form: str
    higher_is_better: bool


def best_of(column: Column) -> float | None:
    """The best value; None where there is nothing to choose: fewer than two are known, or all are the same."""
    known = [value for value in column.values if value is not None]
    if len(known) < 2 or len(set(known)) == 1:
        return None
    return max(known) if column.higher_is_better else min(known)


def written(column: Column, value: float | None) -> str:
    """The value as it is shown: with the mark where it is the best."""
    if value is None or value != value:  # pandas makes NaN of None
        return "–"
    return column.form.format(value) + (f" {BEST}" if value == best_of(column) else "")


def metric_table(names: Sequence[str], columns: Sequence[Column], *, key: str) -> None:
    """Rows by name; sorting by a column sorts its numbers."""
    import pandas as pd  # Streamlit has it loaded once it has drawn a table

    frame = pd.DataFrame({column.label: column.values for column in columns}, index=pd.Index(names, name="Version"))
    frame = frame.astype(float)
    styled = frame.style.format(
        {column.label: lambda value, column=column: written(column, value) for column in columns}
    )
    tint = theme.tint()
    for column in columns:
        best = best_of(column)
        styled = styled.map(
            lambda value, best=best: f"background-color: {tint}" if value == best else "", subset=[column.label]
        )
    st.dataframe(styled, key=key, height="content")
