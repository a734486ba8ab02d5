"""Training jobs as a table: status, progress, how the objective went, and who asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import streamlit as st
from streamlit.column_config import LineChartColumn, NumberColumn, ProgressColumn, TextColumn

from app.components.relative_time import duration, relative
from app.components.status_badge import status_cell, status_column
from backend.domain.jobs import TrainingJob

OBJECTIVE: Final = "val_accuracy"
SHOWN_ROWS: Final = 200
"""The whole table travels again at each change: more rows than this belong behind the filter."""


def job_table(jobs: Sequence[TrainingJob], curves: Mapping[str, Sequence[float]], *, key: str, now: datetime) -> str:
    """Show the jobs in their order and return the name of the selected one, or an empty string.

    `curves` gives the objective's values of a job, oldest first.
    """
    selection = st.dataframe(
        [_row(job, curves.get(job.name, ()), now) for job in jobs[:SHOWN_ROWS]],
        key=key,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "Job": TextColumn(width=215, pinned=True),
            "Status": status_column(width=125),
            "Progress": ProgressColumn(width=115, min_value=0, max_value=1, format="percent"),
            "Val accuracy": LineChartColumn(width=100, help="Validation accuracy by epoch."),
            "Test accuracy": NumberColumn(width=105, format="%.4f", help="Of the exported model, once completed."),
            "Duration": TextColumn(width=85),
            "Launched": TextColumn(width=95),
            "By": TextColumn(width=70),
            "Reason": TextColumn(width="medium"),
        },
    )
    if len(jobs) > SHOWN_ROWS:
        st.caption(f"The newest {SHOWN_ROWS} of {len(jobs)} jobs; the filter finds the others.")
    rows: list[int] = selection["selection"]["rows"]
    return jobs[rows[0]].name if rows and rows[0] < len(jobs) else ""


def _row(job: TrainingJob, curve: Sequence[float], now: datetime) -> dict[str, Any]:
    length = job.duration(now)
    return {
        "Job": job.name,
        "Status": status_cell(job.status),
        "Progress": job.progress,
        "Val accuracy": list(curve),
        "Test accuracy": job.metrics.get("test_accuracy"),
        "Duration": duration(length) if length else "",
        "Launched": relative(job.created_at, now),
        "By": job.request.requested_by,
        "Reason": job.failure_reason.split("\n")[0],
    }
