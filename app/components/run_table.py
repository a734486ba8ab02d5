"""Runs as a table: state, how a metric went, and the columns that somebody chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import streamlit as st
from streamlit.column_config import (
    DatetimeColumn,
    LineChartColumn,
    ListColumn,
    MultiselectColumn,
    NumberColumn,
    TextColumn,
)

from app.components.plain_text import escaped
from app.components.relative_time import duration
from app.components.status_badge import status_cell, status_column
from app.theme import series_colours
from backend.domain.run_columns import Column
from backend.domain.run_query import Value
from backend.domain.tracking import Run

_SHOWN_AT_ONCE: Final = 8
_HEIGHT: Final = 306  # pixels, for more than these
_DRAWN, _NAME, _STATE, _COURSE, _SYNCED = "Drawn", "Run", "State", "Course", "W&B"
_MARK: Final = "\N{BLACK CIRCLE}"


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """`colour` is the number of the line's colour in the charts, None when it is not drawn."""

    run: Run
    colour: int | None
    curve: Sequence[float]
    cells: Sequence[Value]


def run_table(
    rows: Sequence[RunRow],
    columns: Sequence[Column],
    *,
    key: str,
    course_of: str,
) -> str:
    """Show the rows in their order, with the boxes of the drawn ones ticked; returns the key of the run whose row was
    clicked, or an empty string.

    `columns` are those of the `cells`; `course_of` is the metric of the curves. What was ticked since the last run is
    told by `ticked_rows(key)` before the table is shown again.
    """
    ticked = [number for number, row in enumerate(rows) if row.colour is not None]
    _tick(key, ticked)
    headings = _headings(columns)
    colours = series_colours()
    numeric = [_is_numeric([row.cells[number] for row in rows]) for number in range(len(columns))]
    selection = st.dataframe(
        [_cells(row, headings, numeric, len(colours)) for row in rows],
        key=key,
        hide_index=True,
        on_select="rerun",
        selection_mode=["multi-row", "single-cell"],
        # What is set in the session state is told once: a browser that has not yet drawn the table then would miss it.
        selection_default={"selection": {"rows": ticked}},
        height="content" if len(rows) <= _SHOWN_AT_ONCE else _HEIGHT,
        row_height=33,
        placeholder="",
        alt="Runs",
        column_config={
            _DRAWN: MultiselectColumn(
                "",
                width=40,
                pinned=True,
                options=[str(number) for number in range(len(colours))],
                color=colours,
                format_func=lambda _: _MARK,
                help="The colour of the run's lines.",
            ),
            _NAME: TextColumn(width=220, pinned=True),
            _STATE: status_column(_STATE, width=106),
            _COURSE: LineChartColumn(course_of, width=110, help=f"{escaped(course_of)} over the run."),
            _SYNCED: status_column(_SYNCED, width=112),
            **{
                heading: _column(column, numbers)
                for (column, heading), numbers in zip(headings.items(), numeric, strict=True)
            },
        },
    )["selection"]
    cells: list[tuple[int, str]] = selection["cells"]
    return rows[cells[0][0]].run.key if cells and cells[0][0] < len(rows) else ""


def ticked_rows(key: str) -> list[int] | None:
    """Numbers of the rows whose boxes are ticked, ascending; None for a table that was not shown yet."""
    state = st.session_state.get(key)
    return sorted(state["selection"]["rows"]) if state else None


def _tick(key: str, rows: list[int]) -> None:
    """The boxes follow what is drawn, wherever its rows are now."""
    state = st.session_state.get(key)
    if state is not None and ticked_rows(key) != rows:
        cells = state["selection"]["cells"]
        st.session_state[key] = {"selection": {"rows": rows, "columns": [], "cells": cells}}


def _headings(columns: Sequence[Column]) -> dict[Column, str]:
    """By column; two with the same label are told apart by their words."""
    labels = [column.label for column in columns]
    fixed = {_NAME, _STATE, _COURSE, _SYNCED, _DRAWN}
    return {
        column: label if labels.count(label) == 1 and label not in fixed else column.word
        for column, label in zip(columns, labels, strict=True)
    }


def _cells(row: RunRow, headings: Mapping[Column, str], numeric: Sequence[bool], colours: int) -> dict[str, Any]:
    return {
        _DRAWN: [] if row.colour is None else [str(row.colour % colours)],
        _NAME: row.run.name,
        _STATE: status_cell(row.run.state),
        _COURSE: list(row.curve),
        **{
            heading: _cell(column, value, numbers)
            for (column, heading), value, numbers in zip(headings.items(), row.cells, numeric, strict=True)
        },
        _SYNCED: status_cell("Synced" if row.run.synced else "NotSynced"),
    }


def _cell(column: Column, value: Value, numbers: bool) -> Any:
    """Where some runs have a number and others a text, all are texts: a column of a table has one type."""
    if column.kind == "field" and column.name == "duration":
        return duration(timedelta(seconds=float(value))) if isinstance(value, int | float) else ""
    if column.kind == "field" or numbers or value is None:
        return list(value) if isinstance(value, tuple) else value
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _is_numeric(values: Sequence[Value]) -> bool:
    return all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values)


def _column(column: Column, numbers: bool) -> Any:
    """By what is in it: configuration may hold numbers, words, or both."""
    if column.kind == "field":
        match column.name:
            case "started":
                # Relative by the browser's clock: the table need not be sent again for it.
                return DatetimeColumn(width=110, format="distance")
            case "tags" | "source":
                return ListColumn(width=130)
            case "step":
                return NumberColumn(width=80, format="localized")
            case _:
                return TextColumn(width=110)
    if numbers:
        return NumberColumn(width=130 if column.kind == "metric" else 105, format="%.5g")
    return TextColumn(width=120)
