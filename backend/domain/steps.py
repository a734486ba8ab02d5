"""Work that takes several steps and can be watched: deployments now, and every other operation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum


class StepStatus(Enum):
    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: its name (an infinitive), how it stands, and what was observed."""

    name: str
    status: StepStatus = StepStatus.PENDING
    detail: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None


Steps = tuple[Step, ...]


def moved(steps: Steps, name: str, status: StepStatus, detail: str, at: datetime) -> Steps:
    """The steps, of which the one called `name` stands so since `at`."""
    ended = None if status is StepStatus.IN_PROGRESS else at
    return tuple(
        replace(step, status=status, detail=detail, started_at=step.started_at or at, ended_at=ended)
        if step.name == name
        else step
        for step in steps
    )


def cut_off(steps: Steps, at: datetime) -> Steps:
    """The steps of work whose process was found dead at `at`."""
    return tuple(
        replace(step, status=StepStatus.FAILED, detail="the process died here", ended_at=at)
        if step.status is StepStatus.IN_PROGRESS
        else step
        for step in steps
    )
