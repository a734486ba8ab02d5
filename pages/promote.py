"""Promote: from the registry to an endpoint, with a plan before and a record after."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st
from streamlit.column_config import NumberColumn

from app import navigation, queries, theme
from app.components.command_line import command_line
from app.components.confirm import confirm
from app.components.empty_state import empty_state_link
from app.components.relative_time import duration, relative
from app.components.status_badge import status_cell, status_column
from app.context import backend
from app.errors import shown
from app.identity import actor, refusal
from app.views.deployment import deployment_view, start_deployment
from app.views.drift_banner import drift_banners
from app.views.stage_card import TITLES, stage_card
from app.views.stage_history import history_tools
from app.views.version_detail import version_detail
from backend.domain.promotion import Deployment, DeploymentKind, DeploymentPlan, Outcome
from backend.domain.registry import ModelVersion
from backend.domain.serving import EndpointStatus, ServedModel, Stage
from backend.errors import RefusedError
from backend.services.promotion import NOTHING

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
    rows = [
        {
            "Version": version.version,
            "Accuracy": version.evaluation.accuracy * 100 if version.evaluation else None,
            "Approval": status_cell(version.approval),
        }
        for version in versions[:100]
    ]
    st.dataframe(
        rows,
        hide_index=True,
        key="promote_registry",
        height="content" if len(rows) < 4 else 170,
        column_config={
            "Version": NumberColumn(format="v%d", width=65),
            "Accuracy": NumberColumn(format="%.2f %%", width=85),
            "Approval": status_column("Approval"),
        },
    )


def plan_card(plan: DeploymentPlan) -> None:
    """What would change, why it may not yet, and the button."""
    version, serving = plan.version, plan.serving
    stage = plan.stage
    with theme.card("plan", f"Promote to {stage.value}", stretch=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            st.metric("Serves now", served_name(serving), width="content")
            st.markdown(":material/arrow_forward:", width="content")
            st.metric("Would serve", f"v{version.version}", width="content")
        difference = compared(plan)
        if difference:
            st.caption(difference)
        took = [d.ended_at - d.started_at for d in queries.deployments(stage) if d.ended_at and d.outcome.is_good]
        st.caption(f"Usually takes {duration(took[0])}." if took else "Takes some seconds: a Triton is started for it.")
        st.caption("The old version answers until the new one was seen to; if it fails, the old one stays.")
        reason = blocked(plan)
        if reason:
            st.markdown(f":orange[:material/lock:] {reason}")
        if st.button(
            f"Promote v{version.version} to {stage.value}",
            key="promote_submit",
            type="primary",
            icon=navigation.PROMOTE.icon,
            disabled=bool(reason),
            width="stretch",
        ):
            if stage is Stage.PROD:
                confirm(
                    question=f"Promote v{version.version} to prod?",
                    verb=f"Promote v{version.version}",
                    consequences=[
                        f"Production serves {served_name(serving)} now and v{version.version} then.",
                        *([difference] if difference else []),
                        "No request fails while it changes; rolling back is one click.",
                    ],
                    apply=lambda: start_deployment(plan),
                    icon=navigation.PROMOTE.icon,
                )
            else:
                with shown("Start the deployment"):
                    start_deployment(plan)
                    st.rerun()
        expected = serving.sha256 if serving else NOTHING
        command = f"python -m backend promote {version.version} --to {stage.value} --expected {expected}"
        if queries.deployments(stage):
            rollback_button(stage)
            command += f"\npython -m backend rollback --stage {stage.value}"
        command_line(command)


def compared(plan: DeploymentPlan) -> str:
    """How the version differs from what serves, in a sentence; empty when there is nothing to compare."""
    evaluation, serving = plan.version.evaluation, plan.serving
    incumbent = next((v for v in queries.versions() if serving and v.version == serving.version), None)
    if evaluation is None or incumbent is None or incumbent.evaluation is None or plan.changes_nothing:
        return ""
    if incumbent.evaluation.test_sha256 != evaluation.test_sha256:
        return "The two were evaluated on different test sets: their accuracies cannot be compared."
    difference = (evaluation.accuracy - incumbent.evaluation.accuracy) * 100
    return f"Accuracy {difference:+.2f} points on the same test set."


def under_way(stage: Stage) -> str:
    """Why the stage cannot be changed at this moment; empty when it can."""
    history = queries.deployments(stage)
    if history and history[0].outcome is Outcome.IN_PROGRESS:
        return f"{history[0].requested_by} is changing {stage.value}: deployment {history[0].id} is under way."
    followed = st.query_params.get("deployment", "")
    ours = re.fullmatch(rf"{stage.value}-v[0-9]+-[0-9a-f]{{8}}", followed)  # addresses are anybody's
    # Started, and not yet in the history: its process is coming up. One that is there may end a moment after it.
    known = any(deployment.id == followed for deployment in history)
    if ours and not known and backend().operations.is_running(followed):
        return f"Deployment {followed} is starting."
    return ""


def blocked(plan: DeploymentPlan) -> str:
    """Why the plan cannot be applied; empty when it can."""
    if busy := under_way(plan.stage):
        return busy
    if plan.changes_nothing and queries.endpoint(plan.stage).status is EndpointStatus.IN_SERVICE:
        return f"{plan.stage.value.capitalize()} serves this version already."
    try:
        backend().promotion.require_allowed(plan, actor())
    except RefusedError as error:
        return error.message
    return ""


def rollback_button(stage: Stage) -> None:
    """One click, and a dialog that says what would serve again."""
    try:
        plan = backend().promotion.rollback_plan(stage)
    except RefusedError as error:
        st.button(
            "Roll back",
            key="rollback_submit",
            icon=":material/undo:",
            disabled=True,
            help=error.message,
            width="stretch",
        )
        return
    reason = under_way(stage) or refusal(backend().promotion.needed_role(stage), f"roll back {stage.value}") or None
    target = f"v{plan.version.version}"
    if st.button(
        f"Roll back to {target}",
        key="rollback_submit",
        icon=":material/undo:",
        disabled=bool(reason),
        help=reason,
        width="stretch",
    ):
        confirm(
            question=f"Roll back {stage.value} to {target}?",
            verb=f"Roll back to {target}",
            consequences=[
                f"{TITLES[stage]} serves {served_name(plan.serving)} now; {target} served well before.",
                "No request fails while it changes.",
            ],
            apply=lambda: start_deployment(plan, DeploymentKind.ROLLBACK),
            icon=":material/undo:",
        )


def history_table(history: Sequence[Deployment]) -> None:
    now = datetime.now(UTC)
    rows = [
        {
            "Deployment": deployment.id,
            "Outcome": status_cell(deployment.outcome),
            "Kind": deployment.kind.value,
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
def live_stages() -> None:
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
        lane, lanes = st.columns([5, 8], gap="medium")
        with lane, theme.card("registry", "Registry", stretch=True):
            registry_table(versions)
        with lanes:
            live_stages()
        followed = st.query_params.get("deployment", "")
        if followed:  # first, so that whoever has just clicked sees what it does
            with theme.card("deployment", "Deployment"):
                deployment_view(followed)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            version = chosen_version(versions)
            stage = chosen_stage()
        left, right = st.columns([3, 2], gap="medium")
        with left:
            version_detail(version)
        with right:
            plan_card(backend().promotion.plan(stage, version.version))
        history = queries.deployments(stage)
        if history:
            with theme.card("history", f"History of {stage.value}"):
                history_tools(stage, history)
                history_table(history)
