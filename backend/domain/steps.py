"""Work that takes several steps and can be watched: deployments now, and every other operation."""

from __future__ import annotations

from dataclasses import dataclass
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
