"""One stage: what it serves, since when, and whether that is what it should."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from app import navigation, queries, theme, upkeep_queries
from app.components.figures import Figure, figures
from app.components.notice import notice
from app.components.plain_text import escaped
from app.components.relative_time import relative_time
from app.components.status_badge import status_badge
from app.endpoint_numbers import milliseconds, numbers
from backend.domain.drift import DRIFTED
from backend.domain.promotion import Outcome, rollback_target
from backend.domain.serving import EndpointStatus, ServedModel, Stage
from backend.domain.traffic import Sample, Span

_COUNTS_AS_NOW = timedelta(minutes=5)
"""CloudWatch tells of a minute some minutes later."""
TITLES = {Stage.STAGING: "Staging", Stage.PROD: "Production"}


def stage_card(stage: Stage, *, live: bool = False) -> None:
    """`live` adds how its server does and where to go from here."""
    endpoint = queries.endpoint(stage)
    with theme.card(f"stage_{stage.value}", stretch=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            with st.container(horizontal=True, width="content", gap="small", vertical_alignment="center"):
                st.subheader(TITLES[stage], anchor=False, width="content")
                if live and endpoint.current is not None:
                    st.badge(f"v{endpoint.current.version}", color="blue", icon=":material/inventory_2:")
            status_badge(DRIFTED if endpoint.drift else endpoint.status)
        if endpoint.status is EndpointStatus.CREATING:
            st.caption(endpoint.detail)
            return
        if endpoint.wanted is None:
            st.caption("Nothing is deployed yet. Choose an approved version and promote it.")
            st.page_link(navigation.PROMOTE.file, label="Promote a version", icon=navigation.PROMOTE.icon)
            return
        shown = endpoint.served or endpoint.wanted
        if live:
            _figures(stage, shown.version)
        else:
            st.metric("Version", f"v{shown.version}", width="content")
        with st.container(horizontal=True, vertical_alignment="center"):
            last = next((d for d in queries.deployments(stage) if d.outcome is Outcome.SUCCEEDED), None)
            if last is not None and last.ended_at is not None and not endpoint.drift:
                relative_time(last.ended_at, before=f"{last.requested_by},")
            st.badge(shown.sha256[:12], icon=":material/fingerprint:", color="gray", help="SHA-256 of the archive")
        if endpoint.detail and endpoint.status is not EndpointStatus.IN_SERVICE:
            notice(endpoint.detail, key=f"stage_{stage.value}", kind="warning")
        with st.container(horizontal=True):
            if endpoint.status is EndpointStatus.IN_SERVICE:
                st.page_link(navigation.DRAW.file, label="Draw a digit", icon=navigation.DRAW.icon, width="content")
            if live:
                _ways_on(stage, shown)


def newest(samples: Sequence[Sample], now: datetime) -> Sample | None:
    """The last sample; None when it says nothing about now any more."""
    return samples[-1] if samples and now - samples[-1].at < _COUNTS_AS_NOW else None


def _figures(stage: Stage, version: int) -> None:
    found = next((known for known in queries.versions() if known.version == version), None)
    evaluation = found.evaluation if found else None
    now = numbers(stage)
    asked = newest(upkeep_queries.samples(stage, Span.HOUR), datetime.now(UTC))
    figures(
        [
            Figure(
                "Accuracy",
                f"{evaluation.accuracy:.2%}" if evaluation else "–",
                f"Of the exported file, on the {evaluation.n:,} test images of {escaped(evaluation.dataset)}."
                if evaluation
                else "On a test set, once it was evaluated.",
            ),
            Figure(
                "Requests/min",
                "–" if asked is None else f"{60 * asked.per_second:,.0f}",
                "By clients, in the last minute that was counted; the supervisor's own checks are not among them.",
            ),
            Figure("p95", milliseconds(now.look.p95_ms if now else None), "On the server, in the last minute."),
            Figure("Errors", f"{now.look.failed:,}" if now else "–", "Since this version was loaded."),
        ],
        key=f"stage_{stage.value}",
    )


def _ways_on(stage: Stage, serving: ServedModel) -> None:
    address = {"stage": stage.value}
    st.page_link(
        navigation.ENDPOINTS.file,
        label="Endpoint",
        icon=navigation.ENDPOINTS.icon,
        query_params=address,
        width="content",
    )
    st.page_link(
        navigation.PROMOTE.file, label="Promote", icon=navigation.PROMOTE.icon, query_params=address, width="content"
    )
    target = rollback_target(queries.deployments(stage), serving)
    if target is not None:
        st.page_link(
            navigation.PROMOTE.file,
            label=f"Roll back to v{target.version}",
            icon=":material/undo:",
            query_params=address,
            width="content",
        )
