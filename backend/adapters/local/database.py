"""The one database of this machine: jobs, versions, deployments, audit.

SQLite in WAL mode through SQLAlchemy Core, in portable SQL. A write is one short `BEGIN IMMEDIATE` transaction: it
takes the write lock before it reads, so that read-then-write is atomic between processes. Nothing slow (network,
process, archive) happens inside one.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    event,
    insert,
    select,
)
from sqlalchemy.exc import DBAPIError

from backend.adapters.local.migrations import MIGRATIONS
from backend.adapters.local.schema import schema_versions
from backend.errors import SetupError, StoreError

BUSY_TIMEOUT_SECONDS: Final = 10
_ROOM_TO_WRITE: Final = 2**20
"""Bytes; SQLite maps its write-ahead index in pieces of 32 KiB, and cannot when less is free."""


class Database:
    """Opens (and brings up to date) the database file; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SetupError(
                f"The state folder '{path.parent}' cannot be made: {error.strerror}.",
                hint="Set DIGITS_HOME to a folder that you may write to.",
            ) from error
        self.path = path
        self._engine = _engine(path)
        self._migrate()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent snapshot; raises `StoreError`."""
        with self._mapped(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that holds the write lock from its first statement; commits at the end of the block."""
        with self._mapped(), self._engine.connect().execution_options(immediate=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if _disk_is_full(self.path, error):
                raise StoreError(
                    f"The disk is full: database '{self.path}' could not be written.",
                    hint="Free some space on it and try again; what was saved before is kept.",
                ) from error
            raise StoreError(
                f"Database '{self.path}' failed: {error.orig}.",
                hint="Check that the file is writable; `python -m backend doctor` looks.",
            ) from error

    def _migrate(self) -> None:
        metadata_only: Mapping[str, Any] = {"checkfirst": True}
        with self.write() as connection:
            schema_versions.create(connection, **metadata_only)
            done = connection.execute(select(schema_versions.c.version)).scalars().all()
            newest = max(done, default=0)
            if newest > len(MIGRATIONS):
                raise StoreError(
                    f"Database '{self.path}' has schema {newest}; this dashboard knows {len(MIGRATIONS)}.",
                    hint="It was written by a newer version: use that one, or another DIGITS_HOME.",
                )
            for number, statements in enumerate(MIGRATIONS[newest:], start=newest + 1):
                for statement in statements:
                    connection.exec_driver_sql(statement)
                connection.execute(insert(schema_versions).values(version=number, applied_at=datetime.now(UTC)))


def _disk_is_full(path: Path, error: DBAPIError) -> bool:
    """SQLite says so itself, or only that the write failed: then the disk is looked at."""
    primary = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    if primary == sqlite3.SQLITE_IOERR:
        return shutil.disk_usage(path.parent).free < _ROOM_TO_WRITE
    return primary == sqlite3.SQLITE_FULL


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_SECONDS})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # The driver must not begin transactions by itself: the listener below does, with the right lock.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
