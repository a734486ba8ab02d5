"""Operations: work of several steps that outlives the page that asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from backend.domain.steps import Step, cut_off


class OperationStatus(Enum):
    """`Interrupted`: the process died before it could say how it ended."""

    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    INTERRUPTED = "Interrupted"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """The record of one operation. `result` is what it has made so far, by name; it grows with the steps.

    `attempt` counts from 1: an operation that failed can be run again under its id, from the step that failed.
    """

    id: str
    kind: str
    requested_by: str
    started_at: datetime
    status: OperationStatus = OperationStatus.IN_PROGRESS
    attempt: int = 1
    steps: tuple[Step, ...] = ()
    result: Mapping[str, str | int | float] = field(default_factory=dict)
    ended_at: datetime | None = None
    error: str = ""
    hint: str = ""


def interrupted(operation: Operation, at: datetime, *, hint: str) -> Operation:
    """The record of an operation that was found to have no process any more."""
    steps = cut_off(operation.steps, at)
    error = "Its process died before it was done."
    return replace(operation, status=OperationStatus.INTERRUPTED, steps=steps, ended_at=at, error=error, hint=hint)
