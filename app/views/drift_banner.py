"""The red banner of a stage that serves what no deployment brought, and the two ways to put it right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import streamlit as st

from app import navigation, queries, record_queries
from app.components.command_line import command_line
from app.components.confirm import confirm
from app.components.error_panel import error_panel
from app.components.relative_time import exact_utc, relative
from app.context import backend
from app.identity import actor, click_key
from app.state import Key
from app.views.stage_card import TITLES
from backend.domain.drift import told
from backend.domain.serving import Stage
from backend.services.guarding import Guarded
from backend.services.promotion import NOTHING

REFRESH = "3s"


def drift_banners() -> None:
    """One banner for each stage that drifted, nothing for the others; it comes and goes by itself."""
    if started := st.session_state.pop(Key.STARTED, ""):
        st.switch_page(navigation.PROMOTE.file, query_params={"deployment": started})
    looks = [record_queries.guarded(stage) for stage in Stage]
    st.fragment(_watch, run_every=REFRESH)([look.endpoint.drift for look in looks])
    for look in looks:
        if look.endpoint.drift:
            _banner(look)


def _watch(drawn: list[object]) -> None:
    """Outside of what it watches: a dialog that the banner opened must not close at the next look."""
    if [record_queries.guarded(stage).endpoint.drift for stage in Stage] != drawn:
        st.rerun(scope="app")


def _banner(look: Guarded) -> None:
    endpoint, guard = look.endpoint, backend().guard
    stage, wanted = endpoint.stage, endpoint.wanted
    should = f"v{wanted.version}" if wanted else "nothing"
    does = f"v{endpoint.served.version}" if endpoint.served else "a model of unknown origin"
    same = endpoint.served == wanted
    what = f"{TITLES[stage]} should serve {should} and serves {'it otherwise than deployed' if same else does}"
    with error_panel(
        key=f"drift_{stage.value}", what=f"{what}.", why=told(endpoint.drift), next_step=" ".join(_who_and_when(look))
    ):
        with st.container(horizontal=True):
            _button(
                look,
                "restore",
                f"Restore {should}",
                ":material/settings_backup_restore:",
                guard.why_not_restore(stage, actor()),
                f"{TITLES[stage]} serves {should} again, as its last deployment left it.",
            )
            _button(
                look,
                "accept",
                f"Accept {does}" if not same else "Accept",
                ":material/check:",
                guard.why_not_accept(endpoint, actor()),
                f"{TITLES[stage]} is to serve {does} from now on: it is promoted, under the rules of a promotion.",
            )
        command_line(
            f"python -m backend guard restore --stage {stage.value}\n"
            f"python -m backend guard accept --stage {stage.value}"
        )


def _who_and_when(look: Guarded) -> list[str]:
    now = datetime.now(UTC)
    sentences = []
    if look.noticed is not None:
        sentences.append(f"The guard saw it {relative(look.noticed.at, now)} ({exact_utc(look.noticed.at)}).")
    if look.wanted_by is not None:
        by = look.wanted_by
        sentences.append(f"What it should serve was deployed by {by.requested_by} {relative(by.started_at, now)}.")
    if look.served_by is not None:
        by = look.served_by
        sentences.append(f"What it serves was last deployed here by {by.requested_by} {relative(by.started_at, now)}.")
    sentences.append("No deployment of this dashboard made the change: somebody loaded it past all of them.")
    return sentences


def _button(look: Guarded, verb: str, label: str, icon: str, why_not: str, consequence: str) -> None:
    stage = look.endpoint.stage
    if st.button(
        label,
        key=f"drift_{verb}_{stage.value}",
        icon=icon,
        type="primary" if verb == "restore" else "secondary",
        disabled=bool(why_not),
        help=why_not or None,
    ):
        confirm(
            question=f"{label} on {stage.value}?",
            verb=label,
            consequences=[consequence, "No request fails while it changes."],
            apply=_start(look, verb),
            icon=icon,
        )


def _start(look: Guarded, verb: str) -> Callable[[], None]:
    """As a process of its own, followed on the page of deployments; a second click follows the same one."""
    endpoint = look.endpoint
    stage, target = endpoint.stage, endpoint.wanted if verb == "restore" else endpoint.served
    history = queries.deployments(stage)

    def start() -> None:
        key = click_key("guard", verb, stage, told(endpoint.drift), history[0].id if history else "")
        deployment_id = f"{stage.value}-v{target.version if target else 0}-{key[:8]}"
        expected = endpoint.current.sha256 if endpoint.current else NOTHING
        words = ["guard", verb, "--stage", stage.value, "--expected", expected, "--deployment", deployment_id]
        backend().operations.start(deployment_id, words)
        st.session_state[Key.STARTED] = deployment_id

    return start
