"""Sets of labelled drawings: a row each in the database, and an .npz under its SHA-256."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, insert, or_, select

from backend.adapters.local.database import Database
from backend.adapters.local.drawings_file import require_drawings
from backend.adapters.local.home import Home
from backend.adapters.local.schema import hard_example_sets as table
from backend.domain.example_sets import ExampleSet
from backend.errors import InvalidInputError, NotFoundError
from backend.ports.example_sets import ExampleSets

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class LocalExampleSets:
    """`ExampleSets` of this machine: `hard-examples/<sha256>.npz`."""

    def __init__(self, database: Database, home: Home) -> None:
        self._database = database
        self._folder = home.hard_examples

    def keep(self, kept: ExampleSet, content: bytes) -> ExampleSet:
        # The file first: a row promises it. Without its row it is only a file that the next attempt writes again.
        self._write(kept.sha256, content)
        with self._database.write() as connection:
            alike = or_(table.c.name == kept.name, table.c.sha256 == kept.sha256)
            rows = [_set(row) for row in connection.execute(select(table).where(alike)).all()]
            same = next((one for one in rows if one.sha256 == kept.sha256), None)
            if same is not None:
                return same
            if rows:
                raise InvalidInputError(
                    f"The name '{kept.name}' is taken: it is the set {rows[0].sha256[:12]} of {rows[0].n} drawings.",
                    hint="Choose another name: a set never changes.",
                )
            connection.execute(insert(table).values(**asdict(kept)))
        return kept

    def list_sets(self) -> Sequence[ExampleSet]:
        with self._database.read() as connection:
            return [_set(row) for row in connection.execute(select(table).order_by(table.c.at.desc())).all()]

    def content(self, sha256: str) -> bytes:
        path = self._path(sha256)
        if not _SHA256.fullmatch(sha256) or not path.is_file():
            raise NotFoundError(f"The set of hard examples '{sha256[:12]}' is not kept here.")
        return require_drawings(path.read_bytes(), sha256, where=str(path))

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.npz"

    def _write(self, sha256: str, content: bytes) -> None:
        """Whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f".{sha256}.{secrets.token_hex(4)}"
        try:
            partial.write_bytes(content)
            partial.replace(self._path(sha256))
        finally:
            partial.unlink(missing_ok=True)


def _set(row: Row[Any]) -> ExampleSet:
    return ExampleSet(name=row.name, sha256=row.sha256, n=row.n, at=row.at, by=row.by, comment=row.comment)


def _conforms(adapter: LocalExampleSets) -> ExampleSets:
    return adapter
