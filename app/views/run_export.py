"""Runs to take along: the table or every logged step, as CSV or Parquet; made when somebody clicks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from app import run_queries
from app.components.command_line import command_line
from app.context import backend
from backend.domain.run_columns import Column
from backend.domain.tracking import Run
from backend.services.run_export import Format, history_file, runs_file

_TYPES: Final[dict[Format, str]] = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}


def export_menu(runs: Sequence[Run], columns: Sequence[Column]) -> None:
    """Of the runs that are drawn, in the order of the charts."""
    with st.popover("Export", icon=":material/download:"):
        st.caption(f"{len(runs):,} {'run' if len(runs) == 1 else 'runs'}")
        with st.container(horizontal=True):
            _button("Table, CSV", "runs", "csv", lambda: _table(runs, columns, "csv"))
            _button("Table, Parquet", "runs", "parquet", lambda: _table(runs, columns, "parquet"))
        with st.container(horizontal=True):
            _button("Every step, CSV", "histories", "csv", lambda: _steps(runs, "csv"))
            _button("Every step, Parquet", "histories", "parquet", lambda: _steps(runs, "parquet"))
        command_line("python -m backend runs list --json")


def _button(label: str, name: str, kind: Format, made: Callable[[], bytes]) -> None:
    st.download_button(
        label,
        data=made,
        file_name=f"{name}.{kind}",
        mime=_TYPES[kind],
        key=f"runs_export_{name}_{kind}",
        on_click="ignore",
    )


def _table(runs: Sequence[Run], columns: Sequence[Column], kind: Format) -> bytes:
    metrics = [column for column in columns if column.kind == "metric"]
    return runs_file(runs, {column: run_queries.cells(runs, column) for column in metrics}, kind)


def _steps(runs: Sequence[Run], kind: Format) -> bytes:
    return history_file(runs, backend().runs.histories([run.key for run in runs]), kind)
