"""Reads of what was done: the audit, evidence, history and the guard. Cached as in `app.queries`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.context import backend
from app.queries import LIVE_SECONDS
from app.reads import copied
from backend.domain.audit import AuditEvent, AuditFilter, AuditWords
from backend.domain.evidence import Evidence
from backend.domain.history import Drifted, Era
from backend.domain.serving import Stage
from backend.services.guarding import Guarded


@copied(ttl=LIVE_SECONDS)
def guarded(stage: Stage) -> Guarded:
    """Whether the stage serves what it should."""
    return backend().guard.look(stage)


@copied(ttl=LIVE_SECONDS, max_entries=50)
def events(wanted: AuditFilter, limit: int, offset: int) -> Sequence[AuditEvent]:
    """A page of the events that fit, newest first."""
    return backend().audit.list_events(wanted, limit=limit, offset=offset)


@copied(ttl=LIVE_SECONDS, max_entries=50)
def count(wanted: AuditFilter) -> int:
    """How many events fit."""
    return backend().audit.count(wanted)


@copied(ttl=30.0)
def words() -> AuditWords:
    """What there is to filter by."""
    return backend().audit.words()


@copied(ttl=LIVE_SECONDS, max_entries=50)
def evidence(deployment_id: str) -> Evidence:
    """All that is known about one deployment. Raises `NotFoundError`."""
    return backend().evidence.of(deployment_id)


@copied(ttl=LIVE_SECONDS, max_entries=50)
def stood_at(stage: Stage, moment: datetime) -> tuple[Era | None, Sequence[Drifted]]:
    """What the stage stood for at the moment, and what else answered then."""
    return backend().evidence.at(stage, moment)
