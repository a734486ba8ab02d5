"""audit."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from backend.assembly import Backend
from backend.cli.documents import Answer, table
from backend.cli.options import moment
from backend.domain.audit import AuditFilter
from backend.errors import InvalidInputError
from backend.services.exports import event_document, events_csv


def list_events(backend: Backend, options: Namespace) -> Answer:
    wanted = AuditFilter(
        actors=tuple(options.actor),
        actions=tuple(options.doing),
        outcomes=tuple(options.outcome),
        subject=options.subject,
        text=options.text,
        since=moment(options.since, "--since"),
        until=moment(options.until, "--until"),
        correlation=options.correlation,
    )
    events = backend.audit.list_events(wanted, limit=options.limit)
    documents = [event_document(event) for event in events]
    if options.csv is not None:
        _write(options.csv, events_csv(events))
        return {"file": str(options.csv), "events": len(events)}, f"{len(events)} events to {options.csv}", 0
    rows = [
        {
            "at": f"{event.at:%Y-%m-%d %H:%M:%S}Z",
            "actor": event.actor,
            "action": event.action,
            "subject": event.subject,
            "outcome": event.outcome,
            "correlation": event.correlation,
        }
        for event in events
    ]
    text = table(rows, "No event fits." if backend.audit.count() else "Nothing happened yet.")
    left = backend.audit.count(wanted) - len(events)
    return documents, text + (f"\n{left:,} older ones are not shown: --limit" if left > 0 else ""), 0


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(f"'{path}' cannot be written: {error.strerror}.") from error
