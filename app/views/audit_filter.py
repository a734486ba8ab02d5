"""What to show of the audit: the filter as the address keeps it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import streamlit as st

from app import record_queries
from app.components.status_badge import LOOKS, event_status
from backend.domain.audit import AuditFilter

PERIODS: Final[Mapping[str, timedelta | None]] = {
    "All time": None,
    "Last hour": timedelta(hours=1),
    "Last day": timedelta(days=1),
    "Last 7 days": timedelta(days=7),
    "Last 30 days": timedelta(days=30),
}
_NOTHING: Final[Mapping[str, Any]] = {
    "audit_text": "",
    "audit_who": [],
    "audit_what": [],
    "audit_outcome": [],
    "audit_period": "All time",
}


def chosen_filter() -> AuditFilter:
    """Draw the controls; the page of the list is the first again when one of them changed."""
    words = record_queries.words()
    with st.container(horizontal=True, vertical_alignment="bottom", key="audit_filters"):
        text = st.text_input(
            "Search",
            key="audit_text",
            bind="query-params",
            placeholder="name, subject, id or value",
            width=230,
            on_change=first_page,
        )
        who = _several("Who", "audit_who", words.actors, 160)
        what = _several("What", "audit_what", words.actions, 190)
        # Effects and deployments end in words of their own, which people read as the same: 'failed' and 'Failed'.
        by_word: dict[str, list[str]] = {}
        for outcome in words.outcomes:
            status = event_status(outcome)
            by_word.setdefault(LOOKS[status].word if status in LOOKS else outcome, []).append(outcome)
        outcomes = _several("Outcome", "audit_outcome", sorted(by_word), 190)
        period = st.selectbox(
            "When",
            list(PERIODS),
            key="audit_period",
            bind="query-params",
            width=140,
            on_change=first_page,
        )
    span = PERIODS[period]
    return AuditFilter(
        actors=tuple(who),
        actions=tuple(what),
        outcomes=tuple(outcome for word in outcomes for outcome in by_word[word]),
        text=(text or "").strip(),
        # To the minute, so that the same question is asked again and not one of its own at each look.
        since=None if span is None else datetime.now(UTC).replace(second=0, microsecond=0) - span,
    )


def clear_filter() -> None:
    """For a button's `on_click`."""
    for key, nothing in _NOTHING.items():
        st.session_state[key] = nothing
    first_page()


def first_page() -> None:
    st.session_state["audit_page"] = 1
    deselect()


def deselect() -> None:
    """A selection is a row number: on another list it would be of another event."""
    st.session_state["audit_table"] = {"selection": {"rows": [], "columns": [], "cells": []}}


def audit_command(wanted: AuditFilter) -> str:
    """The command that lists the same events."""
    words = ["python", "-m", "backend", "audit", "list"]
    for option, values in (("--actor", wanted.actors), ("--doing", wanted.actions), ("--outcome", wanted.outcomes)):
        words += [word for value in values for word in (option, value)]
    words += ["--text", wanted.text] if wanted.text else []
    words += ["--since", wanted.since.isoformat()] if wanted.since else []
    return shlex.join(words)


def _several(label: str, key: str, options: Sequence[str], width: int) -> list[str]:
    return st.multiselect(
        label,
        list(options),
        key=key,
        bind="query-params",
        placeholder="any",
        width=width,
        on_change=first_page,
    )
