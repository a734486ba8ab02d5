"""The one database of this machine: jobs, versions, deployments, audit.

SQLite in WAL mode through SQLAlchemy Core, in portable SQL. A write is one short `BEGIN IMMEDIATE` transaction: it
takes the write lock before it reads, so that read-then-write is atomic between processes. Nothing slow (network,
process, archive) happens inside one.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    event,
    insert,
    select,
)
from sqlalchemy.exc import DBAPIError

from backend.adapters.local.append_only import never_changed
from backend.errors import SetupError, StoreError

BUSY_TIMEOUT_SECONDS: Final = 10
_ROOM_TO_WRITE: Final = 2**20
"""Bytes; SQLite maps its write-ahead index in pieces of 32 KiB, and cannot when less is free."""


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC datetime as ISO 8601 text with microseconds: sorts as text, reads well in any SQL shell."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class Document(TypeDecorator[Any]):
    """A JSON document as text, with its keys in order."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else json.dumps(value, sort_keys=True, allow_nan=False)

    def process_result_value(self, value: str | None, dialect: Any) -> Any:
        return None if value is None else json.loads(value)


metadata = MetaData()

schema_versions = Table(
    "schema_versions", metadata, Column("version", Integer, primary_key=True), Column("applied_at", UtcTime)
)
jobs = Table(
    "jobs",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("request_key", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("status", String(20), nullable=False),
    Column("preset", String(63), nullable=False),
    Column("hyperparameters", Document, nullable=False),
    Column("requested_by", String(200), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("failure_reason", Text, nullable=False),
    Column("progress", Float, nullable=False),
    Column("metrics", Document, nullable=False),
    Column("notices", Document, nullable=False),
    Column("resumed_from", String(63), nullable=False),
    Column("tuning_job", String(63), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("run", Text, nullable=False),
    UniqueConstraint("request_key", name="jobs_request_key"),
)
tuning_jobs = Table(
    "tuning_jobs",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("request_key", String(200), nullable=False),
    Column("request", Document, nullable=False),
    Column("status", String(20), nullable=False),
    Column("stop_mode", String(30), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("failure_reason", Text, nullable=False),
    Column("notices", Document, nullable=False),
    UniqueConstraint("request_key", name="tuning_jobs_request_key"),
)
trials = Table(
    "trials",
    metadata,
    Column("tuning_job", String(32), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("job", String(63), nullable=False),
    Column("hyperparameters", Document, nullable=False),
    Column("stopped_early", Integer, nullable=False),
)
metric_points = Table(
    "metric_points",
    metadata,
    Column("job", String(63), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("metric_values", Document, nullable=False),
)
model_versions = Table(
    "model_versions",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("source_job", String(63), nullable=False),
    Column("evaluation", Document),
    Column("approval", String(30), nullable=False),
    Column("approval_by", String(200), nullable=False),
    Column("approval_comment", Text, nullable=False),
    Column("approval_at", UtcTime),
    Column("registered_by", String(200), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("sha256", "source_job", name="model_versions_bytes_of_job"),
)
decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("version", Integer, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("decided_by", String(200), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("comment", Text, nullable=False),
)
deployments = Table(
    "deployments",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("stage", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("previous_version", Integer),
    Column("previous_sha256", String(64)),
    Column("requested_by", String(200), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("outcome", String(20), nullable=False),
    Column("steps", Document, nullable=False),
    Column("error", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("kind", String(20), nullable=False, server_default="promote"),
    Column("probe", Document),
    Column("origin", Document, nullable=False, server_default="{}"),
    Column("correlation", String(40), nullable=False, server_default=""),
    Column("gates", Document, nullable=False, server_default="[]"),
    Column("gate_override", Document),
)
operations = Table(
    "operations",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("requested_by", String(200), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("status", String(20), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("steps", Document, nullable=False),
    Column("result", Document, nullable=False),
    Column("error", Text, nullable=False),
    Column("hint", Text, nullable=False),
)
audit_events = Table(
    "audit_events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("outcome", String(40), nullable=False),
    Column("before_values", Document, nullable=False),
    Column("after_values", Document, nullable=False),
    Column("correlation", String(40), nullable=False, server_default=""),
)
hard_examples = Table(
    "hard_examples",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("label", Integer, nullable=False),
    Column("predicted", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("stage", String(20), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("added_by", String(200), nullable=False),
    Column("pixels", Text, nullable=False),
    Column("strokes", Text, nullable=False),
)

# Each entry brings a database of the version before to the next. Entries are only ever added: a database that an
# operator keeps has run the ones before. The first makes the tables above as they stood when it was written.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE jobs (name VARCHAR(63) PRIMARY KEY, request_key VARCHAR(200) NOT NULL,
        kind VARCHAR(20) NOT NULL, status VARCHAR(20) NOT NULL, preset VARCHAR(63) NOT NULL,
        hyperparameters TEXT NOT NULL,
        requested_by VARCHAR(200) NOT NULL, created_at VARCHAR(32) NOT NULL, started_at VARCHAR(32),
        ended_at VARCHAR(32), failure_reason TEXT NOT NULL, progress FLOAT NOT NULL, metrics TEXT NOT NULL,
        notices TEXT NOT NULL, resumed_from VARCHAR(63) NOT NULL, sha256 VARCHAR(64) NOT NULL, run TEXT NOT NULL,
        CONSTRAINT jobs_request_key UNIQUE (request_key))""",
        """CREATE TABLE metric_points (job VARCHAR(63) NOT NULL, seq INTEGER NOT NULL, at VARCHAR(32) NOT NULL,
        metric_values TEXT NOT NULL, PRIMARY KEY (job, seq))""",
        """CREATE TABLE model_versions (version INTEGER PRIMARY KEY, sha256 VARCHAR(64) NOT NULL,
        size_bytes INTEGER NOT NULL, source_job VARCHAR(63) NOT NULL, evaluation TEXT, approval VARCHAR(30) NOT NULL,
        approval_by VARCHAR(200) NOT NULL, approval_comment TEXT NOT NULL, approval_at VARCHAR(32),
        registered_by VARCHAR(200) NOT NULL, created_at VARCHAR(32) NOT NULL,
        CONSTRAINT model_versions_bytes_of_job UNIQUE (sha256, source_job))""",
        """CREATE TABLE deployments (id VARCHAR(80) PRIMARY KEY, stage VARCHAR(20) NOT NULL, version INTEGER NOT NULL,
        sha256 VARCHAR(64) NOT NULL, previous_version INTEGER, previous_sha256 VARCHAR(64),
        requested_by VARCHAR(200) NOT NULL, started_at VARCHAR(32) NOT NULL, ended_at VARCHAR(32),
        outcome VARCHAR(20) NOT NULL, steps TEXT NOT NULL, error TEXT NOT NULL, hint TEXT NOT NULL)""",
        """CREATE TABLE audit_events (id INTEGER PRIMARY KEY, at VARCHAR(32) NOT NULL, actor VARCHAR(200) NOT NULL,
        action VARCHAR(40) NOT NULL, subject VARCHAR(200) NOT NULL, outcome VARCHAR(40) NOT NULL,
        before_values TEXT NOT NULL, after_values TEXT NOT NULL)""",
        """CREATE TABLE hard_examples (id VARCHAR(64) PRIMARY KEY, label INTEGER NOT NULL, predicted INTEGER NOT NULL,
        version INTEGER NOT NULL, stage VARCHAR(20) NOT NULL, at VARCHAR(32) NOT NULL,
        added_by VARCHAR(200) NOT NULL, pixels TEXT NOT NULL, strokes TEXT NOT NULL)""",
    ),
    (
        "ALTER TABLE deployments ADD COLUMN kind VARCHAR(20) NOT NULL DEFAULT 'promote'",
        """CREATE TABLE operations (id VARCHAR(80) PRIMARY KEY, kind VARCHAR(20) NOT NULL,
        requested_by VARCHAR(200) NOT NULL, started_at VARCHAR(32) NOT NULL, ended_at VARCHAR(32),
        status VARCHAR(20) NOT NULL, attempt INTEGER NOT NULL, steps TEXT NOT NULL, result TEXT NOT NULL,
        error TEXT NOT NULL, hint TEXT NOT NULL)""",
    ),
    ("ALTER TABLE jobs ADD COLUMN tuning_job VARCHAR(63) NOT NULL DEFAULT ''",),
    (
        """CREATE TABLE tuning_jobs (name VARCHAR(32) PRIMARY KEY, request_key VARCHAR(200) NOT NULL,
        request TEXT NOT NULL, status VARCHAR(20) NOT NULL, stop_mode VARCHAR(30) NOT NULL,
        created_at VARCHAR(32) NOT NULL, started_at VARCHAR(32), ended_at VARCHAR(32), failure_reason TEXT NOT NULL,
        notices TEXT NOT NULL, CONSTRAINT tuning_jobs_request_key UNIQUE (request_key))""",
        """CREATE TABLE trials (tuning_job VARCHAR(32) NOT NULL, number INTEGER NOT NULL, job VARCHAR(63) NOT NULL,
        hyperparameters TEXT NOT NULL, stopped_early INTEGER NOT NULL, PRIMARY KEY (tuning_job, number))""",
    ),
    (
        "ALTER TABLE deployments ADD COLUMN gates TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE deployments ADD COLUMN gate_override TEXT",
    ),
    (
        """CREATE TABLE decisions (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, kind VARCHAR(20) NOT NULL,
        decided_by VARCHAR(200) NOT NULL, at VARCHAR(32) NOT NULL, comment TEXT NOT NULL)""",
        # Of the versions there are, the last decision is known.
        """INSERT INTO decisions (version, kind, decided_by, at, comment)
        SELECT version, approval, approval_by, approval_at, approval_comment FROM model_versions
        WHERE approval_at IS NOT NULL AND approval IN ('Approved', 'Rejected') ORDER BY approval_at""",
    ),
    (
        "ALTER TABLE deployments ADD COLUMN probe TEXT",
        "ALTER TABLE deployments ADD COLUMN origin TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE deployments ADD COLUMN correlation VARCHAR(40) NOT NULL DEFAULT ''",
        "ALTER TABLE audit_events ADD COLUMN correlation VARCHAR(40) NOT NULL DEFAULT ''",
        "CREATE INDEX audit_events_by_time ON audit_events (at, id)",
        *never_changed("audit_events"),
        *never_changed("deployments", while_open="outcome = 'InProgress'"),
    ),
)


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
