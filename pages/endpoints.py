"""Endpoints: what each stage should serve and does serve, how it bears it, and what can be done about it."""

from __future__ import annotations

import secrets

import streamlit as st

from app import navigation, queries, theme
from app.components.command_line import command_line
from app.components.confirm import confirm
from app.components.empty_state import empty_state_link
from app.components.error_panel import error_panel
from app.components.freshness import freshness_line
from app.context import backend
from app.errors import shown
from app.identity import refusal
from app.state import Key
from app.views.drift_banner import drift_banners
from app.views.endpoint_answers import answers_card
from app.views.endpoint_card import endpoint_card
from app.views.endpoint_fleet import fleet_card
from app.views.endpoint_history import chosen_span, history_card
from app.views.endpoint_life import life_card
from app.views.endpoint_load import load_card
from app.views.endpoint_log import log_card
from app.views.endpoint_request import request_card
from app.views.operation_answer import operation_answer
from app.views.stage_card import TITLES
from backend.domain.serving import Endpoint, EndpointStatus, Stage
from backend.domain.traffic import Span
from backend.errors import PlatformError

REFRESH = "2s"
CARDS = (Stage.PROD, Stage.STAGING)


def live(drawn: list[Endpoint]) -> None:
    """The cards; what is below them is drawn anew when an endpoint came, went or moved."""
    freshness_line(backend().freshness())
    with shown("Look at the endpoints"):
        if [(now.status, now.url) for now in map(queries.endpoint, CARDS)] != [(e.status, e.url) for e in drawn]:
            st.rerun(scope="app")
        for column, stage in zip(st.columns(2, gap="medium"), CARDS, strict=True):
            with column:
                endpoint_card(stage)


def chosen_stage() -> Stage:
    """The stage that the address or the control names; the first that is deployed without one."""
    asked = st.query_params.get("stage", "")
    deployed = [stage for stage in CARDS if queries.endpoint(stage).wanted is not None]
    default = asked if asked in [stage.value for stage in Stage] else [*deployed, *CARDS][0].value
    word = st.segmented_control(
        "Stage",
        [stage.value for stage in CARDS],
        default=default,
        required=True,
        format_func=lambda word: TITLES[Stage(word)],
        key="endpoints_stage",
        label_visibility="collapsed",
    )
    st.query_params["stage"] = word
    return Stage(word)


def ever_served() -> bool:
    """Whether there is a past to show where nothing serves now."""
    return bool(queries.deployments(Stage.STAGING) or queries.deployments(Stage.PROD))


def delete_button(endpoint: Endpoint) -> None:
    stage, external = endpoint.stage, bool(endpoint.external)
    reason = refusal(backend().promotion.needed_role(stage), f"delete {stage.value}")
    if Key.DELETING in st.session_state:
        reason = "An endpoint is being deleted."
    if endpoint.status in (EndpointStatus.CREATING, EndpointStatus.UPDATING):
        reason = "It is changing; wait until that has ended."
    if st.button("Delete", key="endpoint_delete", icon=":material/delete:", disabled=bool(reason), help=reason or None):
        confirm(
            question=f"Delete {endpoint.name}?",
            verb="Delete endpoint",
            consequences=[
                f"{TITLES[stage]} stops answering at once: whoever asks it gets an error.",
                "Versions, deployments and their history stay; promoting a version brings it back.",
                *(["Its server is external: the model is unloaded from it, the server itself runs on."] * external),
            ],
            apply=lambda: delete(endpoint),
            icon=":material/delete:",
            must_type=endpoint.name if stage is Stage.PROD else "",
        )


def delete(endpoint: Endpoint) -> None:
    """Start the deletion as a process of its own: ending a server takes a second or two."""
    stage = endpoint.stage.value
    # Random, not by click: the dialog lets itself be confirmed once, and deleting twice changes nothing.
    operation = f"delete-{stage}-{secrets.token_hex(4)}"
    backend().operations.start(operation, ["endpoints", "delete", "--stage", stage, "--json"])
    st.session_state[Key.DELETING] = operation


def follow_deletion(operation: str) -> None:
    with shown("Delete the endpoint"):
        try:
            document = operation_answer(operation)
        except PlatformError as error:
            error_panel(key="delete", what="The endpoint was not deleted.", why=error.message, next_step=error.hint)
            st.session_state.pop(Key.DELETING, None)
            return
        if document is None:
            st.caption(":material/hourglass_top: Deleting the endpoint. You may leave this page.")
            return
        st.session_state.pop(Key.DELETING, None)
        queries.endpoint.clear()
        st.toast(f"{document['name']} is deleted.", icon=":material/delete:")
        st.rerun(scope="app")


def below(stage: Stage, span: Span) -> None:
    """What there is to know of the chosen stage and to do with it."""
    endpoint = queries.endpoint(stage)
    if endpoint.wanted is None:
        st.caption(f"Nothing is deployed to {stage.value}: this is its past.")
    history_card(stage, span)
    answers_card(stage, span)
    if endpoint.wanted is not None:
        left, right = st.columns(2, gap="medium")
        with left:
            load_card(endpoint)
            fleet_card(endpoint)
        with right:
            life_card(stage)
            request_card(endpoint)
    log_card(endpoint)
    verbs = ("", f" traffic --stage {stage.value} --span {span.value}", f" delete --stage {stage.value}")
    command_line("\n".join(f"python -m backend endpoints{verb}" for verb in verbs))


theme.header("Endpoints", "What each stage should serve, what it does serve, and how it bears it")
with shown("Look for drift"):
    drift_banners()
with shown("Look at the endpoints"):
    if operation := st.session_state.get(Key.DELETING):
        st.fragment(follow_deletion, run_every="1s")(operation)
    endpoints = [queries.endpoint(stage) for stage in CARDS]
    if all(endpoint.status is EndpointStatus.NOT_DEPLOYED for endpoint in endpoints) and not ever_served():
        empty_state_link(
            key="endpoints_empty",
            icon=":material/dns:",
            title="Nothing is deployed yet",
            sentence="Promote an approved version: a Triton server starts for it and answers here.",
            page=navigation.PROMOTE.file,
            label="Promote a version",
            link_icon=navigation.PROMOTE.icon,
        )
    else:
        st.fragment(live, run_every=REFRESH)(endpoints)
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="endpoints_choice"
        ):
            with st.container(horizontal=True, vertical_alignment="center", width="content"):
                stage = chosen_stage()
                span = chosen_span()
            if queries.endpoint(stage).wanted is not None:
                delete_button(queries.endpoint(stage))
        below(stage, span)
