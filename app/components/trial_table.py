"""The trials of a tuning job as a table; a trial that has not finished has an empty cell where its value will be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import streamlit as st
from streamlit.column_config import NumberColumn, ProgressColumn, TextColumn

from app.components.relative_time import duration
from app.components.status_badge import status_cell, status_column
from backend.domain.training import hyperparameter
from backend.domain.tuning import Trial

_SHOWN_AT_ONCE: Final = 10
_HEIGHT: Final = 380  # pixels, for more than these


def trial_table(trials: Sequence[Trial], *, objective: str, best: int, key: str, now: datetime) -> str:
    """Show the trials in their order; returns the training job of the one that was clicked, or an empty string.

    `best` is the number of the best trial, 0 for none: it is marked.
    """
    names = list(trials[0].hyperparameters) if trials else []
    columns = {name: hyperparameter(name).label for name in names}
    selection = st.dataframe(
        [_row(trial, columns, objective, best, now) for trial in trials],
        key=key,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-cell",
        placeholder="",
        height="content" if len(trials) <= _SHOWN_AT_ONCE else _HEIGHT,
        alt="Trials",
        column_config={
            "Trial": NumberColumn(width=60, pinned=True, format="%d"),
            "": TextColumn(width=40, help="The best trial so far."),
            "Status": status_column(width=132),
            objective: NumberColumn(width=100, format="%.5g"),
            **{label: _column_of(name) for name, label in columns.items()},
            "Epochs": ProgressColumn(
                width=110, min_value=0, max_value=max((t.planned_epochs for t in trials), default=1), format="%g"
            ),
            "of": NumberColumn(width=45, format="%d"),
            "Duration": TextColumn(width=90),
            "Job": TextColumn(width=220),
            "Reason": TextColumn(width="medium"),
        },
    )["selection"]
    rows: list[int] = [row for row, _ in selection["cells"]]
    return trials[rows[0]].job if rows and rows[0] < len(trials) else ""


def status_of(trial: Trial) -> str:
    """The word of a trial's status."""
    if not trial.stopped_early:
        return trial.status.value
    return "StoppedEarly" if trial.status.is_terminal else "Stopping"


def _column_of(name: str) -> Any:
    if hyperparameter(name).kind in ("integer", "float"):
        return NumberColumn(width=110, format="%.5g")
    return TextColumn(width=110)


def _row(trial: Trial, columns: dict[str, str], objective: str, best: int, now: datetime) -> dict[str, Any]:
    length = (trial.ended_at or now) - trial.started_at if trial.started_at else None
    return {
        "Trial": trial.number,
        "": "\N{BLACK STAR}" if trial.number == best else "",
        "Status": status_cell(status_of(trial)),
        objective: trial.value if trial.is_finished else None,
        **{label: trial.hyperparameters.get(name) for name, label in columns.items()},
        "Epochs": round(trial.epochs, 1),
        "of": trial.planned_epochs,
        "Duration": duration(length) if length else "",
        "Job": trial.job,
        "Reason": trial.failure_reason.split("\n")[0],
    }
