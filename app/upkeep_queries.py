"""Reads of endpoints over time: traffic, answers, logs, lifetimes. Cached as in `app.queries`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.context import backend
from app.queries import LIVE_SECONDS, LOG_TAIL_BYTES
from app.reads import copied
from backend.domain.audit import AuditFilter
from backend.domain.jobs import LogChunk
from backend.domain.lifetimes import Lifetime
from backend.domain.loadtest import LOAD_TEST, KeptTest, kept
from backend.domain.serving import Stage
from backend.domain.traffic import Idle, Sample, Span
from backend.services.watching import Answers

HISTORY_SECONDS: Final = 10.0
"""There is a new sample each minute."""
_TESTS: Final = 12


@copied(ttl=HISTORY_SECONDS)
def samples(stage: Stage, span: Span) -> Sequence[Sample]:
    """The stage's traffic, oldest first."""
    return backend().traffic.samples(stage, span)


@copied(ttl=HISTORY_SECONDS)
def answers(stage: Stage, span: Span) -> Answers:
    """What our clients were answered."""
    return backend().watching.answers(stage, span)


@copied(ttl=HISTORY_SECONDS)
def idle(stage: Stage) -> Idle | None:
    """Since when nobody asks the stage; None when nothing is deployed."""
    return backend().watching.idle(stage)


@copied(ttl=LIVE_SECONDS)
def lifetime(stage: Stage) -> Lifetime:
    """Until when the stage is to serve."""
    return backend().lifetimes.read(stage)


@copied(ttl=LIVE_SECONDS)
def log_tail(stage: Stage, source: str) -> LogChunk:
    """The end of one of the stage's logs."""
    return backend().server_logs.read(stage, source, -LOG_TAIL_BYTES, LOG_TAIL_BYTES)


@copied(ttl=LIVE_SECONDS)
def load_tests(stage: Stage) -> Sequence[KeptTest]:
    """The stage's last load tests with a result, newest first."""
    wanted = AuditFilter(actions=(LOAD_TEST,), subject=f"stage {stage.value}")
    return kept(backend().audit.list_events(wanted, limit=_TESTS))


def source() -> str:
    """Who counted the traffic, and how."""
    return backend().traffic.source
