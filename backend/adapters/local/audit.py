"""The audit log in the database: this class can add and read, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, select

from backend.adapters.local.database import Database, audit_events
from backend.domain.audit import AuditEvent
from backend.ports.audit import AuditLog


class LocalAuditLog:
    """`AuditLog` in this machine's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, event: AuditEvent) -> None:
        with self._database.write() as connection:
            connection.execute(
                insert(audit_events).values(
                    at=event.at,
                    actor=event.actor,
                    action=event.action,
                    subject=event.subject,
                    outcome=event.outcome,
                    before_values=dict(event.before),
                    after_values=dict(event.after),
                )
            )

    def list_events(
        self, *, since: datetime | None = None, subject: str = "", limit: int = 1000
    ) -> Sequence[AuditEvent]:
        query = select(audit_events).order_by(audit_events.c.at.desc(), audit_events.c.id.desc()).limit(limit)
        if since is not None:
            query = query.where(audit_events.c.at >= since)
        if subject:
            query = query.where(audit_events.c.subject.contains(subject, autoescape=True))
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            AuditEvent(
                at=row.at,
                actor=row.actor,
                action=row.action,
                subject=row.subject,
                outcome=row.outcome,
                before=row.before_values,
                after=row.after_values,
            )
            for row in rows
        ]


def _conforms(adapter: LocalAuditLog) -> AuditLog:
    return adapter
