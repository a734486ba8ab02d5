"""What keeps the runs page up to date: a look every two seconds that draws nothing unless a run has changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import streamlit as st

from app import run_queries
from app.components.plain_text import escaped
from app.state import Key
from backend.domain.tracking import RunSource, SourceStatus

REFRESH: Final = "2s"
_NAMES: Final = {RunSource.OFFLINE: "This machine", RunSource.CLOUD: "W&B"}


@st.fragment(run_every=REFRESH)
def watch() -> None:
    """Show how fresh each source is; when a run has changed since the page was drawn, draw the page again.

    A fragment of its own: its tick costs a line of text, and the table and the charts are not asked.
    """
    drawn = st.session_state.get(Key.RUNS_TOKEN)
    if drawn is not None and run_queries.token() != drawn:
        st.rerun(scope="app")
    for status in run_queries.sources():
        _source(status)


def _source(status: SourceStatus) -> None:
    name = _NAMES[status.source]
    seen = status.as_of or (None if status.source is RunSource.CLOUD else datetime.now(UTC))
    told = f"as of {seen:%H:%M:%S}" if seen else "not read yet"
    about = " ".join(filter(None, (status.error, status.hint, status.detail)))
    if status.stale or status.error:
        st.badge(f"{name}: {told}", icon=":material/warning:", color="orange", help=escaped(about) or None)
    else:
        icon = ":material/sync:" if status.refreshing else ":material/schedule:"
        st.badge(f"{name}: {told}", icon=icon, color="gray", help=escaped(about) or None)
