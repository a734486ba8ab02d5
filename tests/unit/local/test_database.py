from __future__ import annotations

import shutil
import sqlite3
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import inspect, select
from sqlalchemy.exc import OperationalError

from backend.adapters.local.database import Database
from backend.adapters.local.home import Home
from backend.adapters.local.job_store import JobStore
from backend.adapters.local.migrations import MIGRATIONS
from backend.adapters.local.schema import metadata, schema_versions
from backend.domain.jobs import JobStatus, TrainingRequest
from backend.errors import SetupError, StoreError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "home" / "digits.sqlite3")


def request(name: str) -> TrainingRequest:
    return TrainingRequest(name=name, preset="fast", hyperparameters={"lr": 0.1}, requested_by="ada", key=name)


def test_the_migrations_make_the_tables_that_the_code_speaks_of(database: Database) -> None:
    with database.read() as connection:
        seen = inspect(connection)
        for table in metadata.sorted_tables:
            found = {column["name"]: not column["nullable"] for column in seen.get_columns(table.name)}
            assert found.keys() == {column.name for column in table.columns}, table.name
            for column in table.columns:
                assert column.primary_key or found[column.name] == (not column.nullable), f"{table.name}.{column.name}"
        assert set(seen.get_table_names()) == set(metadata.tables)


def test_opening_again_migrates_nothing(database: Database) -> None:
    again = Database(database.path)
    with again.read() as connection:
        assert connection.execute(select(schema_versions.c.version)).scalars().all() == [*range(1, len(MIGRATIONS) + 1)]


def test_a_database_of_a_newer_dashboard_is_left_alone(database: Database) -> None:
    with sqlite3.connect(database.path) as connection:
        connection.execute("INSERT INTO schema_versions VALUES (99, NULL)")
    connection.close()
    with pytest.raises(StoreError, match="schema 99"):
        Database(database.path)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "digits.sqlite3"
    path.write_bytes(b"not a database at all, but long enough to have a header" * 20)
    with pytest.raises(StoreError, match=r"digits\.sqlite3' failed: file is not a database"):
        Database(path)


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SetupError, match=r"state folder .* cannot be made: Not a directory"):
        Database(tmp_path / "file" / "home" / "digits.sqlite3")


def test_a_full_disk_is_called_by_its_name_and_keeps_what_was_written(database: Database, tmp_path: Path) -> None:
    store = JobStore(database, Home(tmp_path / "home"))
    store.insert(request("kept"), NOON)
    with pytest.raises(StoreError, match="disk is full") as caught, database.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1")
        connection.exec_driver_sql("INSERT INTO audit_events VALUES (1, '', '', '', '', '', '', zeroblob(1000000), '')")
    assert "Free some space" in caught.value.hint
    assert [job.name for job in store.newest_first()] == ["kept"]


@pytest.mark.parametrize(("free", "said"), [(4096, "The disk is full"), (2**30, "failed: disk I/O error")])
def test_a_failed_write_is_a_full_disk_only_when_the_disk_is_full(
    database: Database, monkeypatch: pytest.MonkeyPatch, free: int, said: str
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(2**31, 2**31 - free, free))  # type: ignore[attr-defined]
    failure = sqlite3.OperationalError("disk I/O error")
    failure.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    with pytest.raises(StoreError, match=said), database.read():
        raise OperationalError("INSERT", {}, failure)


def test_times_come_back_in_utc_whatever_their_zone(database: Database, tmp_path: Path) -> None:
    store = JobStore(database, Home(tmp_path))
    store.insert(request("a"), NOON.astimezone(timezone(timedelta(hours=5))))
    assert store.get("a").created_at == NOON
    assert store.get("a").created_at.utcoffset() == timedelta(0)


def test_one_slot_is_taken_once_by_many_at_once(database: Database, tmp_path: Path) -> None:
    store = JobStore(database, Home(tmp_path))
    names = [f"job-{number}" for number in range(8)]
    for offset, name in enumerate(names):
        store.insert(request(name), NOON + timedelta(seconds=offset))
    taken: list[str] = []
    barrier = threading.Barrier(len(names))

    def take(name: str) -> None:
        barrier.wait()
        if store.take_slot(name, 1, NOON):
            taken.append(name)

    threads = [threading.Thread(target=take, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == ["job-0"]


def test_moves_that_a_job_may_not_make_are_refused(database: Database, tmp_path: Path) -> None:
    store = JobStore(database, Home(tmp_path))
    store.insert(request("a"), NOON)
    assert not store.move("a", JobStatus.COMPLETED)
    assert store.move("a", JobStatus.FAILED, failure_reason="because")
    assert not store.move("a", JobStatus.IN_PROGRESS)
    assert not store.move("nobody", JobStatus.FAILED)
    assert (store.get("a").status, store.get("a").failure_reason) == (JobStatus.FAILED, "because")
