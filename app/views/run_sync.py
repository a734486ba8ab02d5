"""Sync on the Runs page: the button that brings runs to W&B, and how that goes, run by run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from app import run_queries, theme
from app.components.command_line import command_line
from app.components.error_panel import error_panel
from app.components.relative_time import duration
from app.components.status_badge import status_badge
from app.context import backend
from app.errors import shown
from app.identity import actor, refusal
from backend.domain.operations import Operation, OperationStatus
from backend.domain.run_sync import waiting_for_sync
from backend.domain.steps import Step, StepStatus
from backend.domain.tracking import Run
from backend.services.run_sync import SYNCING_ROLE

REFRESH: Final = "1s"
_DONE_SHOWN: Final = timedelta(minutes=10)
_ROWS: Final = 8
_BADGE_WIDTH: Final = 110  # pixels, for the longest word a step has
_ORDER: Final = (StepStatus.IN_PROGRESS, StepStatus.FAILED, StepStatus.COMPLETED)


def sync_button(runs: Sequence[Run]) -> None:
    """For the head of the page: syncs those of `runs` that wait for it. `sync_progress` shows how it goes."""
    waiting = waiting_for_sync(runs)
    sync = backend().run_sync
    reason = sync.refusal() or refusal(SYNCING_ROLE, "sync runs")
    running = _is_running(sync.latest())
    many = f"{len(waiting):,} run{'s' if len(waiting) != 1 else ''}"
    label = "Syncing" if running else f"Sync {many}" if waiting else "All synced"
    note = reason or ("A sync is running." if running else "" if waiting else "Every ended run is on W&B.")
    if st.button(
        label,
        key="runs_sync",
        icon=":material/cloud_upload:" if waiting or running else ":material/cloud_done:",
        disabled=bool(note),
        help=note or f"Uploads {many} that W&B does not have, one by one.",
    ):
        with shown("Start the sync"):
            sync.start([run.key for run in waiting], actor=actor())
            st.rerun()


def sync_progress() -> None:
    """The last sync, while it runs, when it failed, and for some minutes after it was done."""
    operation = backend().run_sync.latest()
    if operation is None or _is_old(operation):
        return
    with theme.card("sync", "Sync to W&B"):
        running = _is_running(operation)
        st.fragment(_live, run_every=REFRESH if running else None)(operation.id, operation.status)
        if operation.error:
            error_panel(
                key="sync",
                what="Not every run is on W&B." if any(_done(operation)) else "No run was brought to W&B.",
                why=operation.error,
                next_step=operation.hint,
            )
        command_line("python -m backend runs sync --all")


def _live(operation_id: str, status_when_drawn: OperationStatus) -> None:
    with shown("Follow the sync"):
        operation = backend().run_sync.latest()
        if operation is None or (operation.id, operation.status) != (operation_id, status_when_drawn):
            run_queries.forget()
            st.rerun(scope="app")
            return
        now = datetime.now(UTC)
        ended = [step for step in operation.steps if step.ended_at is not None]
        took = duration((operation.ended_at or now) - operation.started_at)
        told = f"{len(_done(operation)):,} of {len(operation.steps):,} runs on W&B, {took}"
        if _is_running(operation):
            told += ". You may leave this page; it goes on."
        st.progress(len(ended) / max(1, len(operation.steps)), text=told)
        rows = [step for status in _ORDER for step in reversed(operation.steps) if step.status is status]
        for index, step in enumerate(rows[:_ROWS]):
            _row(index, step, now)
        if left := len(operation.steps) - min(len(rows), _ROWS):
            st.caption(f"and {left:,} more")


def _row(index: int, step: Step, now: datetime) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"sync_row_{index}"):
        with st.container(width=_BADGE_WIDTH):
            status_badge(step.status)
        st.text(step.name.rpartition("/")[2], width="content")
        st.text(step.detail, width="stretch")
        if step.started_at is not None:
            st.text(duration((step.ended_at or now) - step.started_at), width="content")


def _done(operation: Operation) -> list[Step]:
    return [step for step in operation.steps if step.status is StepStatus.COMPLETED]


def _is_running(operation: Operation | None) -> bool:
    return operation is not None and operation.status is OperationStatus.IN_PROGRESS


def _is_old(operation: Operation) -> bool:
    """Done, and long enough ago; a failure stays until the next sync."""
    if operation.status is not OperationStatus.COMPLETED or operation.ended_at is None:
        return False
    return datetime.now(UTC) - operation.ended_at > _DONE_SHOWN
