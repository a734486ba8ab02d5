"""One stage: what it serves, since when, and whether that is what it should."""

from __future__ import annotations

import streamlit as st

from app import navigation, queries, theme
from app.components.notice import notice
from app.components.relative_time import relative_time
from app.components.status_badge import status_badge
from backend.domain.promotion import Outcome
from backend.domain.serving import EndpointStatus, Stage

TITLES = {Stage.STAGING: "Staging", Stage.PROD: "Production"}


def stage_card(stage: Stage) -> None:
    endpoint = queries.endpoint(stage)
    with theme.card(f"stage_{stage.value}", stretch=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.subheader(TITLES[stage], anchor=False, width="content")
            status_badge(endpoint.status)
        if endpoint.wanted is None:
            st.caption("Nothing is deployed yet. Choose an approved version and promote it.")
            st.page_link(navigation.PROMOTE.file, label="Promote a version", icon=navigation.PROMOTE.icon)
            return
        shown = endpoint.served or endpoint.wanted
        st.metric("Version", f"v{shown.version}", width="content")
        with st.container(horizontal=True, vertical_alignment="center"):
            last = next((d for d in queries.deployments(stage) if d.outcome is Outcome.SUCCEEDED), None)
            if last is not None and last.ended_at is not None:
                relative_time(last.ended_at, before=f"{last.requested_by},")
            st.badge(shown.sha256[:12], icon=":material/fingerprint:", color="gray", help="SHA-256 of the archive")
        if endpoint.detail and endpoint.status is not EndpointStatus.IN_SERVICE:
            notice(endpoint.detail, key=f"stage_{stage.value}", kind="warning")
        if endpoint.status is EndpointStatus.IN_SERVICE:
            st.page_link(navigation.DRAW.file, label="Draw a digit", icon=navigation.DRAW.icon)
