"""What a stage's server wrote: its end, live, to follow and search; all of it to download."""

from __future__ import annotations

import streamlit as st

from app import theme, upkeep_queries
from app.components.command_line import command_line
from app.components.log_viewer import log_viewer
from app.context import backend
from app.errors import shown
from backend.domain.serving import Endpoint, Stage
from backend.errors import PlatformError

REFRESH = "5s"


def log_card(endpoint: Endpoint) -> None:
    stage = endpoint.stage
    with theme.card("server_log", "Log"):
        sources = list(backend().server_logs.sources(stage))
        if endpoint.external:
            st.caption("What the server itself writes is with whoever runs it; this is what its supervisor here wrote.")
        source = sources[0]
        if len(sources) > 1:
            source = st.segmented_control(
                "Whose", sources, default=source, required=True, key="endpoint_log_source", label_visibility="collapsed"
            )
        st.fragment(_live, run_every=REFRESH)(stage, source)
        command_line(f"python -m backend endpoints logs --stage {stage.value} --source {source}")


def _live(stage: Stage, source: str) -> None:
    with shown("Read the log"):
        try:
            tail = upkeep_queries.log_tail(stage, source)
        except PlatformError as error:  # not answered yet, or asked too often: the next look tells
            st.caption(f"{error.message} {error.hint}".strip())
            return
        log_viewer(
            tail.text,
            key=f"endpoint_log_{stage.value}_{source}",
            file_name=f"{stage.endpoint_name}-{source}.log",
            read_all=lambda: _whole(stage, source),
            cut=tail.size > len(tail.text.encode()),
        )


def _whole(stage: Stage, source: str) -> str:
    parts, offset = [], 0
    while (chunk := backend().server_logs.read(stage, source, offset)).text:
        parts.append(chunk.text)
        offset = chunk.next_offset
    return "".join(parts)
