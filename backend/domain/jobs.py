"""Training jobs: SageMaker's words, plus `Pending` for a job that waits for a slot on this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from backend.errors import InvalidInputError

_NAME: Final = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")


class JobKind(Enum):
    TRAINING = "training"
    TUNING = "tuning"


class JobStatus(Enum):
    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"

    @property
    def is_terminal(self) -> bool:
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED)

    @property
    def can_stop(self) -> bool:
        return self in (JobStatus.PENDING, JobStatus.IN_PROGRESS)

    def may_become(self, following: JobStatus) -> bool:
        """A job moves forward only; a finished one never changes again.

        A job being stopped may still complete: its trainer can finish before the signal arrives.
        """
        return following in _FOLLOWING[self]


_FOLLOWING: Final[Mapping[JobStatus, frozenset[JobStatus]]] = {
    JobStatus.PENDING: frozenset({JobStatus.IN_PROGRESS, JobStatus.STOPPING, JobStatus.FAILED}),
    JobStatus.IN_PROGRESS: frozenset({JobStatus.STOPPING, JobStatus.COMPLETED, JobStatus.FAILED}),
    JobStatus.STOPPING: frozenset({JobStatus.STOPPED, JobStatus.COMPLETED, JobStatus.FAILED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.STOPPED: frozenset(),
}


def check_job_name(name: str) -> None:
    """Raises `InvalidInputError` for a name that SageMaker would refuse too."""
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"Job name '{name[:80]}' is not valid: 1 to 63 letters, digits and hyphens, "
            "beginning and ending with a letter or digit."
        )


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """What to train, complete: every hyperparameter is spelled out, so that a job says what it did.

    `key` makes the launch idempotent: a second submission with the same key returns the first job. `resumed_from`
    names the job whose last checkpoint this one goes on from, `tuning_job` the tuning job that it is a trial of.
    """

    name: str
    preset: str
    hyperparameters: Mapping[str, str | int | float]
    requested_by: str
    key: str
    resumed_from: str = ""
    tuning_job: str = ""

    def __post_init__(self) -> None:
        check_job_name(self.name)


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """One training job as its platform knows it.

    `progress` is 0..1. `metrics` are the newest values by name (the final ones once completed).
    `archive` (model.tar.gz) and `output` (output.tar.gz) are addresses, set when the job completed.
    """

    request: TrainingRequest
    status: JobStatus
    created_at: datetime
    kind: JobKind = JobKind.TRAINING
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failure_reason: str = ""
    progress: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    archive: str = ""
    sha256: str = ""
    output: str = ""
    run: str = ""

    @property
    def name(self) -> str:
        return self.request.name

    def duration(self, now: datetime) -> timedelta | None:
        """Time spent working so far; None while the job waits."""
        if self.started_at is None:
            return None
        return (self.ended_at or now) - self.started_at


@dataclass(frozen=True, kw_only=True)
class MetricPoint:
    """One report of a running job: `seq` grows by one per report, from 0."""

    seq: int
    at: datetime
    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class LogChunk:
    """A piece of a job's log. `next_offset` (bytes) is where the following piece begins; `size` is the whole log's."""

    text: str
    next_offset: int
    size: int
