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
_INSTANCE: Final = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")


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


LONGEST_RUN_MINUTES: Final = 28 * 24 * 60
"""SageMaker's limit of a training job."""


@dataclass(frozen=True, kw_only=True)
class Compute:
    """What a job runs on, where the platform has a choice (`Feature.COMPUTE`); the default is the platform's own.

    `spot` is spare capacity at a lower price, which may be taken away: the job then goes on from its checkpoint, and
    waits at most `max_wait_minutes` in all. `max_minutes` of work are paid for at most; 0 is the platform's limit.
    """

    instance_type: str = ""
    spot: bool = False
    max_minutes: int = 0
    max_wait_minutes: int = 0

    def __post_init__(self) -> None:
        if self.instance_type and not _INSTANCE.fullmatch(self.instance_type):
            raise InvalidInputError(f"Instance type is '{self.instance_type[:80]}'; expected one such as ml.m5.xlarge.")
        for name in ("max_minutes", "max_wait_minutes"):
            if not 0 <= getattr(self, name) <= LONGEST_RUN_MINUTES:
                raise InvalidInputError(f"{name} is {getattr(self, name)}; expected 0 to {LONGEST_RUN_MINUTES}.")
        if self.max_wait_minutes and not self.spot:
            raise InvalidInputError("max_wait_minutes is for spot capacity only.", hint="Add --spot, or leave it out.")
        if 0 < self.max_wait_minutes < self.max_minutes:
            raise InvalidInputError(
                f"max_wait_minutes is {self.max_wait_minutes}; expected at least max_minutes, {self.max_minutes}: "
                "waiting and working count together."
            )


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What is known of a launch beforehand.

    `hourly_price` is what one instance costs an hour on demand, in US dollars: 0 where nobody sends a bill, None where
    the price is not known, or not yet. `shortage` says why there is no room for it; empty when nothing is known to
    forbid it.
    """

    hourly_price: float | None = 0.0
    shortage: str = ""


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
    compute: Compute = field(default_factory=Compute)

    def __post_init__(self) -> None:
        check_job_name(self.name)


@dataclass(frozen=True, kw_only=True)
class Billing:
    """What a job was paid for: seconds of work, seconds billed (fewer on spot), and the price where one is known.

    `hourly_price` is of one instance on demand, in `currency`; None when nobody knows it: then no cost is told.
    """

    instance_type: str
    instances: int
    seconds: int
    billed_seconds: int
    spot: bool = False
    hourly_price: float | None = None
    currency: str = "USD"

    @property
    def cost(self) -> float | None:
        if self.hourly_price is None:
            return None
        return self.instances * self.billed_seconds / 3600 * self.hourly_price

    @property
    def saved(self) -> float | None:
        """The share of the work that spot capacity spared, 0..1; None before any work."""
        return None if not self.seconds else max(0.0, 1 - self.billed_seconds / self.seconds)


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
    billing: Billing | None = None

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
