"""Runs that were recorded offline, on their way to a W&B server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.domain.tracking import Run


@dataclass(frozen=True, kw_only=True)
class SyncedRun:
    """What the server was seen to have of a run after its upload. `rows` is None where it does not count them."""

    url: str
    last_step: int
    rows: int | None
    notice: str = ""


def reason_not_to_sync(run: Run) -> str:
    """Why this run cannot be uploaded now; empty when it can."""
    if not run.folders:
        return "It has no files on this machine."
    if not run.state.is_terminal:
        return "It is still running: W&B would take it for a crashed one."
    return ""


def waiting_for_sync(runs: Sequence[Run]) -> Sequence[Run]:
    """Those that could be uploaded and are not on the server, oldest first."""
    waiting = [run for run in runs if not run.synced and not reason_not_to_sync(run)]
    return sorted(waiting, key=lambda run: (run.created_at, run.key))
