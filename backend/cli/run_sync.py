"""runs sync."""

from __future__ import annotations

import sys
from argparse import Namespace

from backend.assembly import Backend
from backend.cli.documents import Answer, neutral, steps_document, table, time_text
from backend.cli.runs import settle
from backend.domain.operations import OperationStatus
from backend.errors import InvalidInputError


def sync(backend: Backend, options: Namespace) -> Answer:
    """Exit code 1 when a run is not on the server in the end."""
    if options.all == bool(options.name):
        raise InvalidInputError(
            "Name the runs to sync, or say --all for every one that is not on W&B yet.",
            hint="`python -m backend runs list` shows what there is.",
        )
    if options.timeout <= 0:
        raise InvalidInputError(f"--timeout is {options.timeout:g}; expected seconds, more than 0.")
    settle(backend)  # runs that are on the server already are left alone
    names = [run.key for run in backend.run_sync.waiting()] if options.all else options.name
    if not names:
        return {"operation": None, "status": "Completed", "runs": []}, "Every run is on W&B already.", 0
    print(neutral(f"syncing {len(names)} runs, one after the other"), file=sys.stderr, flush=True)
    operation = backend.run_sync.run(
        names, actor=backend.actor, operation_id=options.operation, seconds=options.timeout
    )
    document = {
        "operation": operation.id,
        "status": operation.status.value,
        "started_at": time_text(operation.started_at),
        "ended_at": time_text(operation.ended_at),
        "runs": steps_document(operation.steps),
        "failure": operation.error,
        "hint": operation.hint,
    }
    rows = [{"run": step.name, "status": step.status.value, "detail": step.detail} for step in operation.steps]
    text = table(rows, "")
    if operation.error:
        text += f"\n{operation.error}" + (f"\n  next: {operation.hint}" if operation.hint else "")
    return document, text, 0 if operation.status is OperationStatus.COMPLETED else 1
