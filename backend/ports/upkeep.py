"""What is known of an endpoint beyond what it serves: its traffic, its answers, its log, and its time to live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from backend.domain.jobs import LogChunk
from backend.domain.lifetimes import Lifetime
from backend.domain.prediction_mix import Tally
from backend.domain.serving import Stage
from backend.domain.traffic import Sample, Span


class Traffic(Protocol):
    source: str
    """Who counted and how, in a sentence for the operator."""

    def samples(self, stage: Stage, span: Span) -> Sequence[Sample]:
        """One for each of the span's steps in which something was seen, oldest first; empty when nothing was.

        Steps without a sample are those in which the stage was down or nobody looked. Kept for `KEPT`, and in a bounded
        number: what is older is gone. A deletion of the stage, or a restart of anything, loses none.
        """
        ...

    def last_request(self, stage: Stage) -> datetime | None:
        """When a client was last answered, to a minute; None when none was within `KEPT`."""
        ...


class Tallies(Protocol):
    def add(self, stage: Stage, tally: Tally) -> None:
        """Count the answers to its minute and version. Returns at once; trouble is logged and never raised, for a
        client waits for the answers themselves.
        """
        ...

    def read(self, stage: Stage, span: Span) -> Sequence[Tally]:
        """One for each of the span's steps and version that has any, oldest first, of all clients of ours.

        What was added elsewhere is there within a minute. Kept for `KEPT`, in a bounded number.
        """
        ...


class ServerLogs(Protocol):
    def sources(self, stage: Stage) -> Sequence[str]:
        """Names of the logs that can be read of the stage, the most telling first; one at least."""
        ...

    def read(self, stage: Stage, source: str, offset: int = 0, limit: int = 262_144) -> LogChunk:
        """As `TrainingPlatform.read_log`; empty when nothing was written. Raises `NotFoundError` for another source."""
        ...


class Lifetimes(Protocol):
    def read(self, stage: Stage) -> Lifetime:
        """`NO_LIMIT` for a stage that nobody limited."""
        ...

    def keep(self, stage: Stage, lifetime: Lifetime) -> None:
        """Replace it. Deploying clears `taken_down_at`, and a limit that is over; deleting the stage clears both."""
        ...
