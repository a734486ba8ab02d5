"""The audit log in the database: this class can add and read, nothing else, and the database refuses the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, String, func, insert, or_, select, type_coerce
from sqlalchemy.sql.elements import SQLCoreOperations

from backend.adapters.local.database import Database
from backend.adapters.local.schema import audit_events
from backend.domain.audit import AuditEvent, AuditFilter, AuditWords
from backend.ports.audit import EVERYTHING, AuditLog


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
                    correlation=event.correlation,
                )
            )

    def list_events(
        self, wanted: AuditFilter = EVERYTHING, *, limit: int = 1000, offset: int = 0
    ) -> Sequence[AuditEvent]:
        query = select(audit_events).where(*_conditions(wanted))
        query = query.order_by(audit_events.c.at.desc(), audit_events.c.id.desc()).limit(limit).offset(offset)
        with self._database.read() as connection:
            return [_event(row) for row in connection.execute(query).all()]

    def count(self, wanted: AuditFilter = EVERYTHING) -> int:
        query = select(func.count()).select_from(audit_events).where(*_conditions(wanted))
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def words(self) -> AuditWords:
        columns = audit_events.c
        with self._database.read() as connection:
            actors, actions, outcomes = (
                tuple(connection.execute(select(column).distinct().order_by(column)).scalars())
                for column in (columns.actor, columns.action, columns.outcome)
            )
        return AuditWords(actors=actors, actions=actions, outcomes=outcomes)


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    columns = audit_events.c
    found: list[ColumnElement[bool]] = []
    for column, values in (
        (columns.actor, wanted.actors),
        (columns.action, wanted.actions),
        (columns.outcome, wanted.outcomes),
    ):
        found += [column.in_(values)] if values else []
    if wanted.subject:
        found.append(_contains(columns.subject, wanted.subject))
    if wanted.text:
        # The two documents are text to the database, which need not understand them to look into them.
        searched = (columns.actor, columns.subject, columns.correlation, columns.before_values, columns.after_values)
        found.append(or_(*(_contains(column, wanted.text) for column in searched)))
    if wanted.since is not None:
        found.append(columns.at >= wanted.since)
    if wanted.until is not None:
        found.append(columns.at < wanted.until)
    if wanted.correlation:
        found.append(columns.correlation == wanted.correlation)
    return found


def _contains(column: SQLCoreOperations[Any], text: str) -> ColumnElement[bool]:
    """Upper and lower case are the same, also where the database's LIKE tells them apart."""
    return func.lower(type_coerce(column, String)).contains(text.lower(), autoescape=True)


def _event(row: Row[Any]) -> AuditEvent:
    return AuditEvent(
        at=row.at,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        outcome=row.outcome,
        before=row.before_values,
        after=row.after_values,
        correlation=row.correlation,
    )


def _conforms(adapter: LocalAuditLog) -> AuditLog:
    return adapter
