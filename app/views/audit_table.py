"""Events as a table, and the one that was clicked as a whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import streamlit as st
from streamlit.column_config import TextColumn

from app import navigation, theme
from app.components.plain_table import plain_table
from app.components.plain_text import escaped
from app.components.relative_time import exact_utc, relative
from app.components.status_badge import LOOKS, event_status, status_badge, status_cell, status_column
from backend.domain.audit import AuditEvent, changes

_LAST: Final = ("sha256", "deployment", "differences")
"""What says little at a glance."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def audit_table(events: Sequence[AuditEvent], *, key: str) -> AuditEvent | None:
    """Show the events in their order; returns the one whose row is selected."""
    now = datetime.now(UTC)
    selection = st.dataframe(
        [_row(event, now) for event in events],
        key=key,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        height="content" if len(events) <= 15 else 560,
        placeholder="",
        alt="Events",
        column_config={
            "When": TextColumn(width=90, pinned=True),
            "Who": TextColumn(width=80),
            "What": TextColumn(width=80),
            "To what": TextColumn(width=140),
            "Outcome": status_column("Outcome", width=120),
            "Before → after": TextColumn(width=195),
            "UTC": TextColumn(width=145),
            "Correlation": TextColumn(width=90),
        },
    )["selection"]
    rows: list[int] = selection["rows"]
    return events[rows[0]] if rows and rows[0] < len(events) else None


def event_card(event: AuditEvent) -> None:
    """Everything about one event, and where it leads."""
    with theme.card("event"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.subheader(escaped(f"{event.action.capitalize()} {event.subject}"), anchor=False, width="content")
            if event_status(event.outcome) in LOOKS:
                status_badge(event_status(event.outcome))
        st.text(f"{event.actor}, {exact_utc(event.at)}")
        changed = changes(event)
        if changed:
            plain_table(
                ("Value", "Before", "After"),
                [(name, _text(old), _text(new)) for name, (old, new) in changed.items()],
                key="event",
                alt="What changed",
            )
        kept = {name: value for name, value in event.before.items() if name not in changed}
        for name, value in kept.items():
            st.text(f"{name}: {_text(value)}, unchanged")
        with st.container(horizontal=True, vertical_alignment="center"):
            if event.correlation:
                st.page_link(
                    navigation.AUDIT.file,
                    label=f"All of {event.correlation}",
                    icon=":material/link:",
                    query_params={"audit_text": event.correlation},
                    width="content",
                )
            if deployment := str(event.after.get("deployment", "")):
                st.page_link(
                    navigation.EVIDENCE.file,
                    label="Evidence",
                    icon=navigation.EVIDENCE.icon,
                    query_params={"deployment": deployment},
                    width="content",
                )


def told_changes(event: AuditEvent) -> str:
    """`version 1 → 2; approval PendingManualApproval → Approved`; digests by their first letters."""
    found = changes(event)
    names = sorted(found, key=lambda name: name in _LAST)
    return "; ".join(f"{name} {_short(found[name][0])} → {_short(found[name][1])}" for name in names)


def _row(event: AuditEvent, now: datetime) -> dict[str, object]:
    return {
        "When": relative(event.at, now),
        "Who": event.actor,
        "What": event.action,
        "To what": event.subject,
        "Outcome": status_cell(status) if (status := event_status(event.outcome)) in LOOKS else [event.outcome],
        "Before → after": told_changes(event),
        "UTC": f"{event.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        "Correlation": event.correlation,
    }


def _short(value: object) -> str:
    text = _text(value)
    return text[:12] if _DIGEST.fullmatch(text) else text


def _text(value: object) -> str:
    return "–" if value is None or value == "" else str(value)
