"""One endpoint: what it should serve and does serve, and its server's own numbers."""

from __future__ import annotations

from datetime import UTC

import streamlit as st

from app import navigation, queries, theme, upkeep_queries
from app.components.command_line import command_line
from app.components.error_panel import error_panel
from app.components.figures import Figure, figures
from app.components.notice import notice
from app.components.relative_time import relative_time
from app.components.status_badge import status_badge
from app.context import backend
from app.endpoint_numbers import milliseconds, numbers
from app.errors import shown
from app.identity import actor, refusal
from app.views.stage_card import TITLES
from backend.domain.drift import DRIFTED, told
from backend.domain.promotion import Outcome
from backend.domain.serving import Endpoint, EndpointMetrics, EndpointStatus, ServedModel, Stage
from backend.services.endpoints import LOADING_ROLE


def endpoint_card(stage: Stage) -> None:
    endpoint = queries.endpoint(stage)
    with theme.card(f"endpoint_{stage.value}", stretch=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.subheader(TITLES[stage], anchor=False, width="content")
            with st.container(horizontal=True, width="content", gap="small", vertical_alignment="center"):
                if endpoint.external:
                    st.badge("external", icon=":material/dns:", color="gray", help=endpoint.external)
                status_badge(DRIFTED if endpoint.drift else endpoint.status)
        if endpoint.status is EndpointStatus.CREATING:
            st.caption(endpoint.detail)
            return
        if endpoint.wanted is None:
            _nothing(stage)
            st.page_link(navigation.PROMOTE.file, label="Promote a version", icon=navigation.PROMOTE.icon)
            return
        _wanted_and_served(endpoint, endpoint.wanted)
        if endpoint.status is EndpointStatus.FAILED:
            _down(endpoint)
        else:
            if endpoint.detail:
                notice(endpoint.detail, key=f"endpoint_{stage.value}", kind="warning")
            _numbers(stage)
        if endpoint.external:
            st.caption(endpoint.external)


def _nothing(stage: Stage) -> None:
    over = upkeep_queries.lifetime(stage).taken_down_at
    if over is None:
        st.caption("Nothing is deployed. Choose an approved version and promote it.")
        return
    relative_time(over, before="Taken down")
    st.caption("Its time to live was over. Its versions and its history are kept: promote one to serve again.")


def _wanted_and_served(endpoint: Endpoint, wanted: ServedModel) -> None:
    served = endpoint.served
    with st.container(horizontal=True, gap="large", vertical_alignment="center"):
        st.metric("Should serve", f"v{wanted.version}", width="content")
        st.metric("Serves", f"v{served.version}" if served else "nothing", width="content")
    if endpoint.in_step:
        st.markdown(
            f":green[:material/check_circle:] In step: archive `{wanted.sha256[:12]}` was asked for and answers."
        )
    elif served == wanted:
        st.markdown(":orange[:material/sync_problem:] Not in step: the version is right, and something else is not.")
        st.text(told(endpoint.drift))
    elif served is None:
        st.markdown(f":orange[:material/sync_problem:] Not in step: archive `{wanted.sha256[:12]}` should answer.")
    else:
        st.markdown(
            f":orange[:material/sync_problem:] Not in step: archive `{wanted.sha256[:12]}` was asked for, "
            f"`{served.sha256[:12]}` answers."
        )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        last = next((d for d in queries.deployments(endpoint.stage) if d.outcome is Outcome.SUCCEEDED), None)
        if last is not None and last.ended_at is not None:
            relative_time(last.ended_at, before=f"{last.requested_by},")
        if (until := upkeep_queries.lifetime(endpoint.stage).until) is not None:
            relative_time(until, before="taken down")
        if endpoint.url:
            st.badge(endpoint.url.removeprefix("http://"), icon=":material/link:", color="gray", help="Triton's HTTP")


def _down(endpoint: Endpoint) -> None:
    stage = endpoint.stage
    reason = refusal(LOADING_ROLE, f"restart {stage.value}") or None
    with error_panel(key=f"endpoint_{stage.value}", what="It does not answer.", why=endpoint.detail):
        st.button(
            "Connect again" if endpoint.external else "Restart",
            key=f"endpoint_restart_{stage.value}",
            icon=":material/restart_alt:",
            disabled=bool(reason),
            help=reason,
            on_click=_restart,
            args=(stage,),
        )
        if endpoint.wanted is not None:
            number = endpoint.wanted.version
            st.page_link(
                navigation.PROMOTE.file,
                label=f"Promote v{number} once more",
                icon=navigation.PROMOTE.icon,
                query_params={"stage": stage.value, "version": str(number)},
                width="content",
            )
        command_line(f"python -m backend endpoints restart --stage {stage.value}")


def _restart(stage: Stage) -> None:
    with shown(f"Restart {stage.value}"):
        backend().endpoints.restart(stage, actor=actor())
    queries.endpoint.clear()


def _numbers(stage: Stage) -> None:
    live = numbers(stage)
    if live is None:
        st.caption("No numbers yet.")
        return
    look = live.look
    _metrics(stage, look, live.per_second)
    moment = f"as of {look.at.astimezone(UTC):%H:%M:%S} UTC"
    if live.trouble:
        st.markdown(f":orange[:material/history: {moment}; since then its server does not say.]")
        st.text(live.trouble)
    else:
        batch = "" if look.mean_batch is None else f", {look.mean_batch:.1f} images per execution"
        st.caption(
            f"{look.told_by}'s own numbers, {moment}. {look.requests:,} requests since v{look.version} was loaded"
            f"{batch}. {look.remark}"
        )


def _metrics(stage: Stage, look: EndpointMetrics, rate: float | None) -> None:
    last_minute = "On the server, without the network, in the last minute."
    entries = (
        Figure(
            "Requests/s", "–" if rate is None else f"{rate:,.{0 if rate >= 100 else 1}f}", "Between the last two looks."
        ),
        Figure("p50", milliseconds(look.p50_ms), last_minute),
        Figure("p95", milliseconds(look.p95_ms), last_minute),
        Figure("p99", milliseconds(look.p99_ms), last_minute),
        Figure("Errors", f"{look.failed:,}", "Requests that the server failed; refused ones are not counted."),
        Figure("Queue", milliseconds(look.queue_ms), "Mean wait of a request since this version was loaded."),
        Figure("CPU", "–" if look.cpu is None else f"{look.cpu:.0%}", "Of the whole machine."),
        Figure("Memory", _gb(look.memory_used), f"Used on the whole machine, of {_gb(look.memory_total)}."),
    )
    figures(entries, key=f"endpoint_{stage.value}")


def _gb(size: int | None) -> str:
    return "–" if size is None else f"{size / 1e9:.1f} GB"
