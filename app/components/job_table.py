"""Training and tuning jobs as a table: kind, status, progress, how the objective went, and who asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import streamlit as st
from streamlit.column_config import LineChartColumn, MultiselectColumn, NumberColumn, ProgressColumn, TextColumn

from app.components.relative_time import duration, relative
from app.components.status_badge import status_cell, status_column
from backend.domain.jobs import TrainingJob
from backend.domain.tuning import TuningJob

_SHOWN_AT_ONCE: Final = 15
_HEIGHT: Final = 560  # pixels, for more than these
OBJECTIVE: Final = "val_accuracy"
"""What a training is judged by while it runs."""
TRAINING, TUNING, TRIAL = "Training", "Tuning", "Trial"
# Text signs: a table cannot show the icons that badges have.
_SIGNS: Final = {
    TRAINING: "\N{BLACK DIAMOND}",
    TUNING: "\N{WHITE DIAMOND CONTAINING BLACK SMALL DIAMOND}",
    TRIAL: "\N{WHITE DIAMOND}",
}


@dataclass(frozen=True, kw_only=True)
class Picked:
    """What was done in the table: the job whose row was clicked, and those whose boxes are ticked."""

    opened: str = ""
    ticked: tuple[str, ...] = ()


def kind_of(job: TrainingJob | TuningJob) -> str:
    if isinstance(job, TuningJob):
        return TUNING
    return TRIAL if job.request.tuning_job else TRAINING


def best_value(job: TrainingJob | TuningJob) -> float | None:
    """The objective's newest value of a training, the best trial's of a tuning job."""
    if isinstance(job, TuningJob):
        return job.best_trial.value if job.best_trial else None
    return job.metrics.get(OBJECTIVE)


def job_table(
    jobs: Sequence[TrainingJob | TuningJob],
    curves: Mapping[str, Sequence[float]],
    costs: Mapping[str, str],
    *,
    key: str,
    shown_key: str,
    now: datetime,
) -> Picked:
    """Show the jobs in their order; clicking a row opens it, ticking its box only selects it.

    `curves` gives the objective's values of a job, oldest first, `costs` what it cost, where somebody counts it.
    `shown_key` is where the session remembers the rows' names: a selection comes back as row numbers of the table that
    the browser had, and must follow its jobs when the rows move.
    """
    names = [job.name for job in jobs]
    before: list[str] = st.session_state.get(shown_key, names)
    if before != names:
        _move_selection(key, before, names)
    st.session_state[shown_key] = names
    selection = st.dataframe(
        [_row(job, curves.get(job.name, ()), costs.get(job.name, ""), now) for job in jobs],
        key=key,
        hide_index=True,
        on_select="rerun",
        selection_mode=["multi-row", "single-cell"],
        height="content" if len(jobs) <= _SHOWN_AT_ONCE else _HEIGHT,
        placeholder="",
        alt="Jobs",
        column_order=_columns(jobs, any(costs.values())),
        column_config={
            "Job": TextColumn(width=200, pinned=True),
            "Kind": MultiselectColumn(
                width=92,
                options=list(_SIGNS),
                color=["blue", "violet", "gray"],
                format_func=lambda word: f"{_SIGNS[word]} {word}",
            ),
            "Status": status_column(width=115),
            "Progress": ProgressColumn(width=100, min_value=0, max_value=100, format="%.0f %%"),
            "Objective": LineChartColumn(
                width=90,
                help="Of a training: validation accuracy by epoch. Of a tuning job: the best so far by trial.",
            ),
            "Best value": NumberColumn(width=80, format="%.4f", help="Of a tuning job its best trial's."),
            "Metric": TextColumn(width=100),
            "Duration": TextColumn(width=92),
            "Cost": TextColumn(width=100, help="What was billed, at the price on demand; of a tuning job its trials'."),
            "Launched": TextColumn(width=90),
            "By": TextColumn(width=70),
            "Reason": TextColumn(width="medium"),
        },
    )["selection"]
    rows: list[int] = selection["rows"]
    cells: list[tuple[int, str]] = selection["cells"]
    opened = names[cells[0][0]] if cells and cells[0][0] < len(names) else ""
    return Picked(opened=opened, ticked=tuple(names[row] for row in rows if row < len(names)))


def _columns(jobs: Sequence[TrainingJob | TuningJob], costly: bool) -> list[str]:
    """The metric is named where not all jobs have the same, the cost where any has one: they would only take room."""
    unusual = any(_metric(job) != OBJECTIVE for job in jobs)
    metric, cost = ["Metric"] * unusual, ["Cost"] * costly
    shown = ["Job", "Status", "Kind", "Progress", "Objective", "Best value"]
    return [*shown, *metric, "Duration", *cost, "Launched", "By", "Reason"]


def _metric(job: TrainingJob | TuningJob) -> str:
    return job.request.objective if isinstance(job, TuningJob) else OBJECTIVE


def _move_selection(key: str, before: Sequence[str], names: Sequence[str]) -> None:
    """Let the ticks stay with their jobs."""
    state = st.session_state.get(key)
    rows = state["selection"]["rows"] if state else []
    cells = state["selection"]["cells"] if state else []
    if not rows and not cells:
        return
    ticked = [before[row] for row in rows if row < len(before)]
    clicked = [(before[row], column) for row, column in cells if row < len(before)]
    st.session_state[key] = {
        "selection": {
            "rows": [names.index(name) for name in ticked if name in names],
            "columns": [],
            "cells": [(names.index(name), column) for name, column in clicked if name in names],
        }
    }


def _row(job: TrainingJob | TuningJob, curve: Sequence[float], cost: str, now: datetime) -> dict[str, Any]:
    length = job.duration(now)
    return {
        "Job": job.name,
        "Kind": [kind_of(job)],
        "Status": status_cell(job.status),
        "Progress": 100 * job.progress,
        "Objective": list(curve) if len(curve) > 1 else [],  # one value has no course
        "Best value": best_value(job),
        "Metric": _metric(job),
        "Duration": duration(length) if length else "",
        "Cost": cost,
        "Launched": relative(job.created_at, now),
        "By": job.request.requested_by,
        "Reason": job.failure_reason.split("\n")[0],
    }
