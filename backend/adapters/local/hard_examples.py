"""Corrected drawings in the database."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, insert, select

from backend.adapters.local.database import Database
from backend.adapters.local.schema import hard_examples
from backend.domain.prediction import HardExample
from backend.domain.serving import Stage
from backend.errors import NotFoundError
from backend.ports.hard_examples import HardExamples


class LocalHardExamples:
    """`HardExamples` in this machine's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, example: HardExample) -> None:
        with self._database.write() as connection:
            pixels = base64.b64encode(example.pixels).decode()
            same = connection.execute(select(hard_examples).where(hard_examples.c.pixels == pixels)).all()
            if any((row.id, row.label) == (example.id, example.label) for row in same) and len(same) == 1:
                return
            connection.execute(delete(hard_examples).where(hard_examples.c.pixels == pixels))
            connection.execute(
                insert(hard_examples).values(
                    id=example.id,
                    label=example.label,
                    predicted=example.predicted,
                    version=example.version,
                    stage=example.stage.value,
                    at=example.at,
                    added_by=example.by,
                    pixels=pixels,
                    strokes=example.strokes,
                )
            )

    def remove(self, example_id: str) -> HardExample:
        mine = hard_examples.c.id == example_id
        with self._database.write() as connection:
            row = connection.execute(select(hard_examples).where(mine)).first()
            if row is None:
                raise NotFoundError(
                    f"No hard example '{example_id}'.", hint="`python -m backend hard-examples list` shows all."
                )
            connection.execute(delete(hard_examples).where(mine))
        return _example(row)

    def list_examples(self) -> Sequence[HardExample]:
        query = select(hard_examples).order_by(hard_examples.c.at.desc(), hard_examples.c.id)
        with self._database.read() as connection:
            return [_example(row) for row in connection.execute(query).all()]


def _example(row: Row[Any]) -> HardExample:
    return HardExample(
        id=row.id,
        label=row.label,
        predicted=row.predicted,
        version=row.version,
        stage=Stage(row.stage),
        at=row.at,
        by=row.added_by,
        pixels=base64.b64decode(row.pixels),
        strokes=row.strokes,
    )


def _conforms(adapter: LocalHardExamples) -> HardExamples:
    return adapter
