"""What is kept, as files for people and other programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, Final

from backend.domain.audit import AuditEvent

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def event_document(event: AuditEvent) -> dict[str, Any]:
    """The event as JSON values."""
    return {
        "at": event.at.isoformat(timespec="milliseconds"),
        "actor": event.actor,
        "action": event.action,
        "subject": event.subject,
        "outcome": event.outcome,
        "before": dict(event.before),
        "after": dict(event.after),
        "correlation": event.correlation,
    }


def events_json(events: Sequence[AuditEvent]) -> str:
    """An array of what `audit --json` prints."""
    return json.dumps([event_document(event) for event in events], indent=1)


def events_csv(events: Sequence[AuditEvent]) -> str:
    """The events with a line of column names; what changed is in two columns, as JSON.

    Text that a spreadsheet would run as a formula gets an apostrophe in front: names and errors come from outside.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("at", "actor", "action", "subject", "outcome", "before", "after", "correlation"))
    for event in events:
        cells = (
            event.at.isoformat(timespec="milliseconds"),
            event.actor,
            event.action,
            event.subject,
            event.outcome,
            json.dumps(dict(event.before), sort_keys=True),
            json.dumps(dict(event.after), sort_keys=True),
            event.correlation,
        )
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return out.getvalue()
