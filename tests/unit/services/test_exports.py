from __future__ import annotations

import csv
import io
import json

from backend.domain.audit import AuditEvent
from backend.services.exports import events_csv, events_json
from tests.fakes.backend import NOON

EVENT = AuditEvent(
    at=NOON,
    actor='=cmd|"/c calc"!A1',
    action="approve",
    subject="version 3",
    outcome="done",
    before={"approval": "PendingManualApproval"},
    after={"approval": "Approved", "comment": 'says "go",\nnow'},
    correlation="c0ffee",
)


def test_a_spreadsheet_reads_the_events_and_runs_nothing() -> None:
    header, row = csv.reader(io.StringIO(events_csv([EVENT])))
    found = dict(zip(header, row, strict=True))
    assert found["actor"] == "'" + EVENT.actor
    assert (found["at"], found["correlation"]) == ("2026-11-23T12:00:00.000+00:00", "c0ffee")
    assert json.loads(found["after"]) == EVENT.after


def test_the_json_file_has_everything() -> None:
    (document,) = json.loads(events_json([EVENT]))
    assert document["actor"] == EVENT.actor
    assert (document["before"], document["after"]) == (EVENT.before, EVENT.after)


def test_nothing_is_a_file_too() -> None:
    assert events_csv([]).strip().count("\n") == 0
    assert json.loads(events_json([])) == []
