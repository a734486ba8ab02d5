"""The audit log in the database: it adds, reads and filters, and the database itself refuses to change anything."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from backend.adapters.local.audit import LocalAuditLog
from backend.adapters.local.database import Database
from backend.adapters.local.deployments import LocalDeployments
from backend.adapters.local.schema import audit_events
from backend.domain.audit import AuditEvent, AuditFilter, changes
from backend.domain.promotion import Deployment, Outcome
from backend.domain.serving import Stage

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "digits.sqlite3")


def event(minute: int = 0, **given: object) -> AuditEvent:
    said = {"actor": "ada", "action": "promote", "subject": "stage prod", "outcome": "Succeeded", **given}
    return AuditEvent(at=NOON + timedelta(minutes=minute), **said)  # type: ignore[arg-type]


def refused(database: Database, statement: str) -> str:
    """What the database says to whoever opens its file with another program."""
    connection = sqlite3.connect(database.path)
    try:
        with pytest.raises(sqlite3.IntegrityError) as caught, connection:
            connection.execute(statement)
    finally:
        connection.close()
    return str(caught.value)


class TestAppendOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit_events SET actor = 'eve'",
            "UPDATE audit_events SET correlation = '' WHERE id = 1",
            "DELETE FROM audit_events",
            "DELETE FROM audit_events WHERE id = 1",
            "INSERT OR REPLACE INTO audit_events SELECT id, at, 'eve', action, subject, outcome, before_values, "
            "after_values, correlation FROM audit_events",
        ],
    )
    def test_the_database_refuses_to_change_an_event(self, database: Database, statement: str) -> None:
        log = LocalAuditLog(database)
        log.append(event(before={"version": 1}, after={"version": 2}, correlation="abc"))
        before = log.list_events()
        assert refused(database, statement) == "audit_events: what was recorded is never changed"
        assert log.list_events() == before

    def test_a_deployment_may_be_written_until_it_has_ended_and_never_after(self, database: Database) -> None:
        store = LocalDeployments(database)
        running = Deployment(
            id="prod-v1-x",
            stage=Stage.PROD,
            version=1,
            sha256="a" * 64,
            previous=None,
            requested_by="ada",
            started_at=NOON,
        )
        store.save(running)
        assert "never changed" in refused(database, "DELETE FROM deployments")
        ended = Deployment(**{**vars(running), "outcome": Outcome.FAILED, "ended_at": NOON, "error": "why"})
        store.save(ended)
        assert "never changed" in refused(database, "UPDATE deployments SET outcome = 'Succeeded'")
        assert "never changed" in refused(database, "DELETE FROM deployments")
        assert store.get("prod-v1-x") == ended


class TestFilter:
    @pytest.fixture
    def log(self, database: Database) -> LocalAuditLog:
        log = LocalAuditLog(database)
        log.append(event(0, action="approve", subject="version 3", outcome="done", after={"comment": "Good on 7s"}))
        log.append(event(1, actor="bob", outcome="refused", after={"error": "it is 100% stale_"}, correlation="c0ffee"))
        log.append(event(2, after={"version": 3}, correlation="c0ffee"))
        return log

    @pytest.mark.parametrize(
        ("wanted", "minutes"),
        [
            (AuditFilter(), [2, 1, 0]),
            (AuditFilter(actors=("bob",)), [1]),
            (AuditFilter(actors=("bob", "ada")), [2, 1, 0]),
            (AuditFilter(actions=("approve",)), [0]),
            (AuditFilter(outcomes=("done", "refused")), [1, 0]),
            (AuditFilter(subject="PROD"), [2, 1]),
            (AuditFilter(text="good ON"), [0]),
            (AuditFilter(text="BOB"), [1]),
            (AuditFilter(text="c0ff"), [2, 1]),
            (AuditFilter(text="100%"), [1]),
            (AuditFilter(text="0% stale_"), [1]),
            (AuditFilter(text="%"), [1]),
            (AuditFilter(text="' OR 1=1 --"), []),
            (AuditFilter(since=NOON + timedelta(minutes=1)), [2, 1]),
            (AuditFilter(until=NOON + timedelta(minutes=1)), [0]),
            (AuditFilter(correlation="c0ffee", actors=("ada",)), [2]),
        ],
    )
    def test_it_keeps_what_fits(self, log: LocalAuditLog, wanted: AuditFilter, minutes: list[int]) -> None:
        found = log.list_events(wanted)
        assert [(e.at - NOON) // timedelta(minutes=1) for e in found] == minutes
        assert log.count(wanted) == len(minutes)

    def test_the_words_are_those_that_occur(self, log: LocalAuditLog) -> None:
        words = log.words()
        assert (words.actors, words.actions) == (("ada", "bob"), ("approve", "promote"))
        assert words.outcomes == ("Succeeded", "done", "refused")


def test_a_hundred_thousand_events_are_paged_through_in_order_and_at_once(database: Database) -> None:
    rows = [
        {
            "at": NOON + timedelta(seconds=number),
            "actor": f"user-{number % 50}",
            "action": "promote",
            "subject": "stage prod",
            "outcome": "Succeeded",
            "before_values": {"version": number},
            "after_values": {"version": number + 1},
        }
        for number in range(100_000)
    ]
    with database.write() as connection:
        connection.execute(insert(audit_events), rows)
    log = LocalAuditLog(database)
    begun = time.process_time()
    assert log.count() == 100_000
    newest, oldest = log.list_events(limit=100), log.list_events(limit=100, offset=99_900)
    assert [e.before["version"] for e in newest] == list(range(99_999, 99_899, -1))
    assert [e.before["version"] for e in oldest] == list(range(99, -1, -1))
    wanted = AuditFilter(actors=("user-7",), text='"version": 8')
    assert log.count(wanted) == len(log.list_events(wanted, limit=100_000)) > 0
    assert time.process_time() - begun < 2.0  # CPU seconds; it takes 0.3


def test_what_an_event_changed_is_told_by_name() -> None:
    told = event(before={"version": 1, "sha256": "a", "kept": 5}, after={"version": 2, "sha256": "a", "new": "x"})
    assert changes(told) == {"version": (1, 2), "new": (None, "x")}
