"""Promote: from the registry to an endpoint, with a plan before and a record after."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st
from streamlit.column_config import NumberColumn

from app import navigation, queries, theme
from app.components.command_line import command_line
from app.components.empty_state import empty_state_link
from app.components.relative_time import duration, relative
from app.components.status_badge import status_cell, status_column
from app.context import backend
from app.errors import shown
from app.identity import actor, click_key
from app.views.deployment import deployment_view
from app.views.stage_card import stage_card
from app.views.version_detail import version_detail
from backend.domain.promotion import Deployment, DeploymentPlan
from backend.domain.registry import ModelVersion
from backend.domain.serving import ServedModel, Stage
from backend.errors import RefusedError
from backend.services.promotion import NOTHING

REFRESH = "5s"
STAGE = Stage.STAGING


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


def registry_table(versions: Sequence[ModelVersion]) -> None:
    now = datetime.now(UTC)
    rows = [
        {
            "Version": version.version,
            "Approval": status_cell(version.approval),
            "Accuracy": version.evaluation.accuracy * 100 if version.evaluation else None,
            "Data set": version.evaluation.dataset if version.evaluation else "",
            "Job": version.source_job,
            "Registered": relative(version.created_at, now),
        }
        for version in versions[:100]
    ]
    st.dataframe(
        rows,
        hide_index=True,
        key="promote_registry",
        height=min(230, 38 + 35 * len(rows)),
        column_config={
            "Version": NumberColumn(format="v%d", width=70),
            "Approval": status_column("Approval"),
            "Accuracy": NumberColumn(format="%.2f %%", width=90),
        },
    )


def plan_card(plan: DeploymentPlan) -> None:
    """What would change, why it may not yet, and the button."""
    version, serving = plan.version, plan.serving
    with theme.card("plan", f"Promote to {STAGE.value}", stretch=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            st.metric("Serves now", served_name(serving), width="content")
            st.markdown(":material/arrow_forward:", width="content")
            st.metric("Will serve", f"v{version.version}", width="content")
        evaluation = version.evaluation
        incumbent = next((v for v in queries.versions() if serving and v.version == serving.version), None)
        if evaluation and incumbent and incumbent.evaluation and not plan.changes_nothing:
            if incumbent.evaluation.test_sha256 == evaluation.test_sha256:
                difference = (evaluation.accuracy - incumbent.evaluation.accuracy) * 100
                st.caption(f"Accuracy {difference:+.2f} points on the same test set.")
            else:
                st.caption("The two were evaluated on different test sets: their accuracies cannot be compared.")
        took = [d.ended_at - d.started_at for d in queries.deployments(STAGE) if d.ended_at and d.outcome.is_good]
        st.caption(f"Usually takes {duration(took[0])}." if took else "Takes some seconds: a Triton is started for it.")
        st.caption("The old version answers until the new one was seen to; if it fails, the old one stays.")
        reason = blocked(plan)
        if reason:
            st.markdown(f":orange[:material/lock:] {reason}")
        if st.button(
            f"Promote v{version.version} to {STAGE.value}",
            key="promote_submit",
            type="primary",
            icon=navigation.PROMOTE.icon,
            disabled=bool(reason),
            width="stretch",
        ):
            with shown("Start the deployment"):
                start(plan)
        expected = serving.sha256 if serving else NOTHING
        command_line(f"python -m backend promote {version.version} --to {STAGE.value} --expected {expected}")


def blocked(plan: DeploymentPlan) -> str:
    try:
        backend().promotion.require_allowed(plan, actor())
    except RefusedError as error:
        return error.message
    return ""


def start(plan: DeploymentPlan) -> None:
    """Start the deployment as a process of its own and follow it; a second click follows the same one."""
    history = queries.deployments(plan.stage)
    key = click_key("promote", plan.stage.value, plan.version.version, history[0].id if history else "")
    deployment_id = f"{plan.stage.value}-v{plan.version.version}-{key[:8]}"
    expected = plan.serving.sha256 if plan.serving else NOTHING
    verb = ["promote", str(plan.version.version), "--to", plan.stage.value]
    backend().operations.start(deployment_id, [*verb, "--expected", expected, "--deployment", deployment_id])
    st.query_params["deployment"] = deployment_id
    st.rerun()


def history_table(history: Sequence[Deployment]) -> None:
    now = datetime.now(UTC)
    rows = [
        {
            "Deployment": deployment.id,
            "Outcome": status_cell(deployment.outcome),
            "Change": f"{served_name(deployment.previous)} → v{deployment.version}",
            "By": deployment.requested_by,
            "Started": relative(deployment.started_at, now),
            "Took": duration(deployment.ended_at - deployment.started_at) if deployment.ended_at else "",
            "Error": deployment.error,
        }
        for deployment in history[:50]
    ]
    selection = st.dataframe(
        rows,
        hide_index=True,
        key="promote_history",
        on_select="rerun",
        selection_mode="single-row",
        column_config={"Outcome": status_column("Outcome")},
    )
    chosen = selection["selection"]["rows"]
    if chosen and st.query_params.get("deployment") != rows[chosen[0]]["Deployment"]:
        st.query_params["deployment"] = str(rows[chosen[0]]["Deployment"])
        st.rerun()


def served_name(served: ServedModel | None) -> str:
    return f"v{served.version}" if served else "nothing"


@st.fragment(run_every=REFRESH)
def live_stage() -> None:
    with shown("Look at staging"):
        stage_card(STAGE)


theme.header("Promote", "Take a version from the registry to an endpoint")
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
        left, right = st.columns([3, 2], gap="medium")
        with left, theme.card("registry", "Registry", stretch=True):
            registry_table(versions)
            version = chosen_version(versions)
        with right:
            live_stage()
        left, right = st.columns([3, 2], gap="medium")
        with left:
            version_detail(version)
        with right:
            plan_card(backend().promotion.plan(STAGE, version.version))
        followed = st.query_params.get("deployment", "")
        if followed:
            with theme.card("deployment", "Deployment"):
                deployment_view(followed)
        history = queries.deployments(STAGE)
        if history:
            with theme.card("history", "History of staging"):
                history_table(history)
