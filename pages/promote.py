"""Promote: from the registry to an endpoint, with a plan before and a record after."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.column_config import NumberColumn

from app import navigation, queries, theme
from app.components.empty_state import empty_state_link
from app.components.freshness import freshness_line
from app.components.status_badge import status_cell, status_column
from app.context import backend
from app.errors import shown
from app.state import Key
from app.views.declared_card import declared_card
from app.views.deployment import deployment_view
from app.views.drift_banner import drift_banners
from app.views.gate_card import gate_card
from app.views.promotion_plan import plan_card
from app.views.stage_card import TITLES, stage_card
from app.views.stage_history import history_table, history_tools
from app.views.version_detail import decision_card, version_detail
from backend.domain.promotion import Outcome
from backend.domain.registry import ModelVersion
from backend.domain.serving import Stage

REFRESH = "3s"


def chosen_version(versions: Sequence[ModelVersion]) -> ModelVersion:
    """The version that the address or the select box names; the newest without one."""
    numbers = [version.version for version in versions]
    asked = st.query_params.get("version", "")
    index = numbers.index(int(asked)) if asked.isdigit() and int(asked) in numbers else 0
    by_number = {version.version: version for version in versions}

    def label(number: int) -> str:
        evaluation = by_number[number].evaluation
        return f"v{number}" + (f", {evaluation.accuracy:.2%}" if evaluation else "")

    number = st.selectbox("Version", numbers, index=index, format_func=label, key="promote_version", width=220)
    st.query_params["version"] = str(number)
    return by_number[number]


def chosen_stage() -> Stage:
    """The stage that the address or the control names; staging without one."""
    words = [stage.value for stage in Stage]
    asked = st.query_params.get("stage", "")
    word = st.segmented_control(
        "To",
        words,
        default=asked if asked in words else Stage.STAGING.value,
        required=True,
        format_func=lambda word: TITLES[Stage(word)],
        key="promote_stage",
    )
    st.query_params["stage"] = str(word)
    return Stage(word)


def registry_table(versions: Sequence[ModelVersion]) -> None:
    """The newest versions; a click on one chooses it in the select box, which then has its own way again."""
    rows = [
        {
            "Version": version.version,
            "Accuracy": version.evaluation.accuracy * 100 if version.evaluation else None,
            "Approval": status_cell(version.approval),
        }
        for version in versions[:100]
    ]
    selection = st.dataframe(
        rows,
        hide_index=True,
        key="promote_registry",
        on_select="rerun",
        selection_mode="single-cell",
        height="content" if len(rows) < 4 else 170,
        alt="Versions, newest first",
        column_config={
            "Version": NumberColumn(format="v%d", width=62),
            "Accuracy": NumberColumn(format="%.2f %%", width=78),
            "Approval": status_column("Approval", width=168),
        },
    )
    clicked = [versions[row].version for row, _ in selection["selection"]["cells"] if row < len(rows)]
    if clicked != st.session_state.get(Key.CLICKED_VERSION, []):
        st.session_state[Key.CLICKED_VERSION] = clicked
        if clicked:
            st.session_state["promote_version"] = clicked[0]


def interrupted() -> str:
    """The deployment whose process died last, while nothing was deployed to its stage after it; empty without one."""
    newest = [history[0] for stage in Stage if (history := queries.deployments(stage))]
    return next((deployment.id for deployment in newest if deployment.outcome is Outcome.INTERRUPTED), "")


@st.fragment(run_every=REFRESH)
def live_stages() -> None:
    freshness_line(backend().freshness())
    with shown("Look at the stages"):
        for column, stage in zip(st.columns(2, gap="medium"), Stage, strict=True):
            with column:
                stage_card(stage)


theme.header("Promote", "Take a version from the registry to staging, and on to production")
with shown("Look for drift"):
    drift_banners()
with shown("Show the versions"):
    versions = queries.versions()
    if not versions:
        empty_state_link(
            key="promote_empty",
            icon=":material/inventory_2:",
            title="No versions yet",
            sentence="Register a completed job: its model becomes version 1.",
            page=navigation.JOBS.file,
            label="Choose a job",
            link_icon=":material/arrow_forward:",
        )
    else:
        # Lanes, left to right: what there is, what is tried, what everybody gets.
        lane, lanes = st.columns([6, 8], gap="small")
        with lane, theme.card("registry", "Registry", stretch=True):
            registry_table(versions)
        with lanes:
            live_stages()
        followed = st.query_params.get("deployment", "") or interrupted()
        if followed:  # first, so that whoever has just clicked sees what it does
            with theme.card("deployment", "Deployment"):
                deployment_view(followed)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            version = chosen_version(versions)
            stage = chosen_stage()
        plan = backend().promotion.plan(stage, version.version)
        left, right = st.columns([3, 2], gap="medium")
        gates = None  # without them nothing is promoted; the version can be looked at, and decided about
        with left, shown("Ask the gates"):
            gates = queries.gates(stage, version.version)
            gate_card(plan, gates)
        with left:
            version_detail(version)
        with right:
            if gates is not None:
                plan_card(plan, gates)
            decision_card(version)
            declared_card(version)
        history = queries.deployments(stage)
        if history:
            with theme.card("history", f"History of {stage.value}"):
                history_table(history_tools(stage, history))
