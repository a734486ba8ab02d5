"""Where training jobs run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from backend.domain.capabilities import Unsupported
from backend.domain.freshness import Freshness
from backend.domain.jobs import Compute, LogChunk, MetricPoint, Outlook, TrainingJob, TrainingRequest

Channel = Mapping[str, bytes]
"""An input channel as SageMaker has them: a folder of files, here by name."""
NO_CHANNELS: Final[Mapping[str, Channel]] = {}


class TrainingPlatform(Protocol):
    @property
    def unsupported(self) -> Unsupported:
        """What this platform lacks; asking for it raises `RefusedError` with the reason."""
        ...

    def freshness(self) -> Freshness:
        """How old what `list_jobs` tells may be, and why it is not newer."""
        ...

    def outlook(self, compute: Compute, instances: int = 1) -> Outlook:
        """Price and room of a launch on so many instances at once; never raises: what cannot be found out is unknown.

        On a dashboard only the first question waits, and not for long: what is not known by then is told later.
        """
        ...

    def submit(self, request: TrainingRequest, channels: Mapping[str, Channel] = NO_CHANNELS) -> TrainingJob:
        """Accept the job and return at once, with the job `Pending` or `InProgress`; it outlives the caller.

        Idempotent by `request.key`: repeating a submission returns the job that the first one made, whatever its
        name. With `request.resumed_from` it goes on from that job's last checkpoint, or begins anew, with a notice,
        where there is none.

        The job keeps the files of `channels`, whatever becomes of where they came from, and its trainer finds each
        channel in the folder that `SM_CHANNEL_<NAME>` names. Without channels of its own, a job that is resumed from
        another, or a trial of one, gets the very files of that one.

        Raises `InvalidInputError` when another job has the name, `NotFoundError` when the job to resume is unknown, and
        `WrongStateError` when that one still runs or has completed.
        """
        ...

    def describe(self, name: str) -> TrainingJob:
        """The job as it is now. A job whose processes died reads `Failed`, with the reason, within 5 seconds.

        Raises `NotFoundError`.
        """
        ...

    def list_jobs(self) -> Sequence[TrainingJob]:
        """Every job, newest first; empty when there are none. As fresh as `describe`."""
        ...

    def stop(self, name: str) -> TrainingJob:
        """Ask the job to stop; returns at once with the job `Stopping`. Work that has not begun never begins.

        Stopping a `Stopping` job changes nothing. Raises `NotFoundError`, and `WrongStateError` for a finished job.
        """
        ...

    def read_log(self, name: str, offset: int = 0, limit: int = 262_144) -> LogChunk:
        """At most `limit` bytes of the log from byte `offset`, cut at a line's end where one is near.

        Empty text when there is nothing new. A negative offset counts from the end. Raises `NotFoundError`.
        """
        ...

    def metric_points(self, name: str, after: int = -1) -> Sequence[MetricPoint]:
        """The reports of the job with `seq` greater than `after`, in order. Raises `NotFoundError`."""
        ...

    def fetch_archive(self, job: TrainingJob) -> Path:
        """A local path of the completed job's model.tar.gz, whose digest is `job.sha256`; read only.

        Raises `WrongStateError` when the job has not completed, `NotFoundError` when the file is gone.
        """
        ...

    def fetch_output(self, job: TrainingJob) -> Path:
        """A local path of the completed job's output.tar.gz; raises as `fetch_archive`."""
        ...
