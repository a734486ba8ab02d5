"""Where tuning jobs run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from backend.domain.capabilities import Unsupported
from backend.domain.freshness import Freshness
from backend.domain.jobs import LogChunk
from backend.domain.tuning import StopMode, TuningJob, TuningRequest
from backend.ports.training import NO_CHANNELS, Channel


class TuningPlatform(Protocol):
    @property
    def unsupported(self) -> Unsupported:
        """What this platform lacks; asking for it raises `RefusedError` with the reason."""
        ...

    def freshness(self) -> Freshness:
        """How old what `list_jobs` tells may be, and why it is not newer."""
        ...

    def submit(self, request: TuningRequest, channels: Mapping[str, Channel] = NO_CHANNELS) -> TuningJob:
        """Accept the tuning job and return at once, with the job `InProgress`; it outlives the caller.

        Its trials are ordinary training jobs of the same platform, with `tuning_job` set to its name; they wait in the
        ordinary queue. Idempotent by `request.key`. With `request.resumed_from` the finished trials of that job count
        as this one's, and those cut off are run again first, from their checkpoints. Every trial gets the files of
        `channels`; without any, those of the job that is resumed. Raises `InvalidInputError` when
        another job has the name, `NotFoundError` when the job to resume or to learn from is unknown, and
        `WrongStateError` when the one to resume still runs or has completed.
        """
        ...

    def describe(self, name: str) -> TuningJob:
        """The job and its trials as they are now. A job whose processes died reads `Failed`, with the reason, within
        5 seconds, and keeps its finished trials; trials that it left running are stopped.

        Raises `NotFoundError`.
        """
        ...

    def list_jobs(self) -> Sequence[TuningJob]:
        """Every tuning job, newest first; empty when there are none. As fresh as `describe`."""
        ...

    def stop(self, name: str, mode: StopMode) -> TuningJob:
        """Ask the job to stop; returns at once with the job `Stopping`. No further trial is launched.

        `NOW` also stops the running trials, and may follow `AFTER_RUNNING`; the other way round changes nothing.
        Raises `NotFoundError`, and `WrongStateError` for a finished job.
        """
        ...

    def read_log(self, name: str, offset: int = 0, limit: int = 262_144) -> LogChunk:
        """What the search itself wrote, as `TrainingPlatform.read_log`; trials have logs of their own."""
        ...

    def importance(self, name: str) -> Mapping[str, float]:
        """How much of the objective's spread each searched hyperparameter explains, largest first, together 1.

        Empty while too few trials have finished to say. May take a second: for a person who asks. Raises
        `NotFoundError`.
        """
        ...
