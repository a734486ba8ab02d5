"""Audit: every effect, by whom, with what result; to search, to page through and to export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil

import streamlit as st

from app import record_queries, theme
from app.components.command_line import command_line
from app.components.empty_state import empty_state
from app.context import backend
from app.errors import shown
from app.views.audit_filter import audit_command, chosen_filter, clear_filter, deselect
from app.views.audit_table import audit_table, event_card
from backend.domain.audit import AuditEvent, AuditFilter
from backend.services.exports import events_csv, events_json

PAGE_ROWS = 100
EXPORT_ROWS = 100_000


def page_number(found: int) -> int:
    pages = max(1, ceil(found / PAGE_ROWS))
    if pages == 1:
        return 1
    # A page that the filter took away is not an error.
    if st.session_state.get("audit_page", 1) > pages:
        st.session_state["audit_page"] = 1
    return int(st.pagination(pages, key="audit_page", bind="query-params", on_change=deselect))


def exports(wanted: AuditFilter, found: int) -> None:
    """Made when they are asked for: 100,000 events take a second or two."""

    told = f"The newest {EXPORT_ROWS:,} of {found:,}." if found > EXPORT_ROWS else None
    for name, make in (("csv", events_csv), ("json", events_json)):
        st.download_button(
            name.upper(),
            data=partial(exported, wanted, make),
            file_name=f"audit.{name}",
            mime=f"text/{name}" if name == "csv" else "application/json",
            key=f"audit_{name}",
            icon=":material/download:",
            on_click="ignore",
            help=told,
        )


def exported(wanted: AuditFilter, make: Callable[[Sequence[AuditEvent]], str]) -> str:
    return make(backend().audit.list_events(wanted, limit=EXPORT_ROWS))


def list_of(wanted: AuditFilter, found: int) -> None:
    with theme.card("audit"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.caption(f"{found:,} {'event' if found == 1 else 'events'}, newest first", width="content")
            with st.container(horizontal=True, width="content", vertical_alignment="center"):
                number = page_number(found)
                exports(wanted, found)
        events = record_queries.events(wanted, PAGE_ROWS, (number - 1) * PAGE_ROWS)
        chosen = audit_table(events, key="audit_table")
    if chosen is not None:
        event_card(chosen)


theme.header("Audit", "Every effect, by whom and with what result; nothing here is ever changed or removed")
with shown("Show the audit"):
    if record_queries.count(AuditFilter()) == 0:
        empty_state(
            key="audit_empty",
            icon=":material/history:",
            title="Nothing happened yet",
            sentence="Whatever changes something, by a button or a command, leaves an event here.",
        )
    else:
        wanted = chosen_filter()
        found = record_queries.count(wanted)
        if found:
            list_of(wanted, found)
        else:
            empty_state(
                key="audit_no_match",
                icon=":material/filter_alt_off:",
                title="No event fits",
                sentence="Events are there, none fits the filter.",
            )
            with st.container(horizontal_alignment="center"):
                st.button("Clear the filter", key="audit_clear_filter", type="primary", on_click=clear_filter)
        command_line(audit_command(wanted))
