"""Records of operations in the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, insert, select, update

from backend.adapters.local.database import Database
from backend.adapters.local.schema import operations
from backend.adapters.local.steps import read_step, step_document
from backend.domain.operations import Operation, OperationStatus
from backend.errors import NotFoundError
from backend.ports.operations import OperationStore


class LocalOperationStore:
    """`OperationStore` in this machine's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, operation: Operation) -> None:
        values = {
            "kind": operation.kind,
            "requested_by": operation.requested_by,
            "started_at": operation.started_at,
            "ended_at": operation.ended_at,
            "status": operation.status.value,
            "attempt": operation.attempt,
            "steps": [step_document(step) for step in operation.steps],
            "result": dict(operation.result),
            "error": operation.error,
            "hint": operation.hint,
        }
        mine = operations.c.id == operation.id
        with self._database.write() as connection:
            if connection.execute(select(operations.c.id).where(mine)).first() is None:
                connection.execute(insert(operations).values(id=operation.id, **values))
            else:
                connection.execute(update(operations).where(mine).values(values))

    def get(self, operation_id: str) -> Operation:
        with self._database.read() as connection:
            row = connection.execute(select(operations).where(operations.c.id == operation_id)).first()
        if row is None:
            raise NotFoundError(f"No operation '{operation_id}'.")
        return _operation(row)

    def latest(self, kind: str) -> Operation | None:
        query = select(operations).where(operations.c.kind == kind).order_by(operations.c.started_at.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else _operation(row)


def _operation(row: Row[Any]) -> Operation:
    return Operation(
        id=row.id,
        kind=row.kind,
        requested_by=row.requested_by,
        started_at=row.started_at,
        status=OperationStatus(row.status),
        attempt=row.attempt,
        steps=tuple(read_step(document) for document in row.steps),
        result=row.result,
        ended_at=row.ended_at,
        error=row.error,
        hint=row.hint,
    )


def _conforms(adapter: LocalOperationStore) -> OperationStore:
    return adapter
