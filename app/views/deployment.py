"""A deployment as it goes: its steps while it runs, how it ended, and what to do then."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import UTC, datetime

import streamlit as st

from app import navigation, queries
from app.components.command_line import command_line
from app.components.confirm import confirm
from app.components.error_panel import error_panel
from app.components.gate_rows import gate_rows, gate_title, gates_in_words
from app.components.notice import notice
from app.components.probe_table import probe_table
from app.components.relative_time import duration, relative
from app.components.step_list import step_list
from app.context import backend
from app.errors import shown
from app.identity import click_key, refusal
from backend.domain.promotion import Deployment, DeploymentKind, DeploymentPlan, Outcome
from backend.domain.serving import Stage
from backend.errors import NotFoundError, RefusedError
from backend.services.promotion import NOTHING, OVERRIDING_ROLE

REFRESH = "1s"
_VERBS = {
    DeploymentKind.PROMOTE: "Promote",
    DeploymentKind.ROLLBACK: "Roll back to",
    DeploymentKind.RESTORE: "Restore",
}


def deployment_view(deployment_id: str) -> None:
    """Follow the deployment until it has ended; then it is drawn once."""
    found = _find(deployment_id)
    ended = found is not None and found.outcome is not Outcome.IN_PROGRESS
    st.fragment(_live, run_every=None if ended else REFRESH)(deployment_id, ended)
    if found is not None and found.outcome is Outcome.INTERRUPTED:
        with shown("Show the way on"):
            _way_on(found)


def _way_on(deployment: Deployment) -> None:
    """Finish or undo what died midway, as long as nothing was deployed after it."""
    stage, promotion = deployment.stage, backend().promotion
    if queries.deployments(stage)[0].id != deployment.id:
        st.caption(f"Another deployment to {stage.value} came after this one.")
        return
    forbidden = refusal(promotion.needed_role(stage), f"change {stage.value}")
    with st.container(horizontal=True):
        _button(
            "finish",
            f"Finish: promote v{deployment.version}",
            lambda: promotion.plan(stage, deployment.version),
            DeploymentKind.PROMOTE,
            forbidden or _not_to_override(deployment),
            deployment.override.reason if deployment.override else "",
        )
        _button(
            "undo",
            "Undo: roll back",
            lambda: promotion.rollback_plan(stage),
            DeploymentKind.ROLLBACK,
            forbidden or _nothing_to_undo(deployment),
        )
    override = f" --override {shlex.quote(deployment.override.reason)}" if deployment.override else ""
    command_line(
        f"python -m backend promote {deployment.version} --to {stage.value}{override}\n"
        f"python -m backend rollback --stage {stage.value}"
    )


def _not_to_override(deployment: Deployment) -> str:
    """Why this person cannot finish what an approver let through; empty when they can."""
    if deployment.override is None:
        return ""
    return refusal(OVERRIDING_ROLE, "finish a deployment that overrides a gate")


def _nothing_to_undo(deployment: Deployment) -> str:
    """Why there is nothing to go back to; empty when there is."""
    previous = deployment.previous
    if queries.endpoint(deployment.stage).current == previous:
        what = f"still serves v{previous.version}" if previous else "serves nothing, as before"
        return f"{deployment.stage.value.capitalize()} {what}: there is nothing to undo."
    try:
        backend().promotion.rollback_plan(deployment.stage)
    except RefusedError as error:
        return error.message
    return ""


def _button(
    name: str,
    label: str,
    plan: Callable[[], DeploymentPlan],
    kind: DeploymentKind,
    why_not: str,
    override: str = "",
) -> None:
    """Asks before it changes production, as every other button that does."""
    icon = ":material/undo:" if kind is DeploymentKind.ROLLBACK else ":material/play_arrow:"
    if not st.button(
        label,
        key=f"deployment_{name}",
        icon=icon,
        disabled=bool(why_not),
        help=why_not or None,
        type="primary" if kind is DeploymentKind.PROMOTE else "secondary",
    ):
        return
    made = plan()
    version = f"v{made.version.version}"
    if made.stage is Stage.STAGING:
        start_deployment(made, kind, override=override)
        st.rerun()
    confirm(
        question=f"Make prod serve {version}?",
        verb=f"Serve {version}",
        consequences=["No request fails while it changes."],
        apply=lambda: start_deployment(made, kind, override=override),
        icon=icon,
    )


def start_deployment(
    plan: DeploymentPlan, kind: DeploymentKind = DeploymentKind.PROMOTE, *, override: str = ""
) -> None:
    """Start the deployment as a process of its own and follow it; a second click follows the same one.

    `override` is an approver's reason to promote in spite of gates.
    """
    stage, version = plan.stage.value, plan.version.version
    history = queries.deployments(plan.stage)
    # With the deployment that is followed now: after one that was refused, the next click is a new one.
    followed = st.query_params.get("deployment", "")
    key = click_key(kind, stage, version, history[0].id if history else "", followed, override)
    deployment_id = f"{stage}-v{version}-{key[:8]}"
    verb = ["promote", str(version), "--to", stage]
    if kind is DeploymentKind.ROLLBACK:
        verb = ["rollback", "--stage", stage]
    if override:
        verb += [f"--override={override}"]  # as one word: a reason may begin with a dash
    expected = plan.serving.sha256 if plan.serving else NOTHING
    backend().operations.start(deployment_id, [*verb, "--expected", expected, "--deployment", deployment_id])
    st.query_params["deployment"] = deployment_id


def _find(deployment_id: str) -> Deployment | None:
    try:
        return backend().promotion.settle(backend().deployments.get(deployment_id))
    except NotFoundError:
        return None


def _live(deployment_id: str, ended_when_drawn: bool) -> None:
    with shown("Follow the deployment"):
        deployment = _find(deployment_id)
        if deployment is None:
            _not_begun(deployment_id)
            return
        if deployment.outcome is not Outcome.IN_PROGRESS and not ended_when_drawn:
            queries.forget_stage()
            st.rerun(scope="app")
        stage, previous = deployment.stage.value, deployment.previous
        begun = f"{deployment.requested_by}, {relative(deployment.started_at, datetime.now(UTC))}"
        verb = _VERBS[deployment.kind]
        was = f"v{previous.version}" if previous else "nothing"
        st.text(f"{verb} v{deployment.version} on {stage}, which served {was} ({begun})")
        step_list(deployment.steps, key=deployment.id, now=datetime.now(UTC))
        _gates(deployment)
        if deployment.probe is not None:
            probe_table(deployment.probe, key=deployment.id)
        _ending(deployment)
        if deployment.outcome is not Outcome.IN_PROGRESS:
            st.page_link(
                navigation.EVIDENCE.file,
                label="Evidence, to read, print or export",
                icon=navigation.EVIDENCE.icon,
                query_params={"deployment": deployment.id},
            )


def _gates(deployment: Deployment) -> None:
    """What the gates said when it began, and who let it through in spite of them."""
    if word := deployment.override:
        names = ", ".join(gate_title(name).lower() for name in word.gates)
        notice(f"{word.by} overrode: {names}. {word.reason}", key=f"override_{deployment.id}", kind="warning")
    if deployment.gates:
        with st.expander(f"Gates: {gates_in_words(deployment.gates)}", icon=":material/rule:", type="compact"):
            gate_rows(deployment.gates, key=deployment.id)


def _not_begun(deployment_id: str) -> None:
    if backend().operations.is_running(deployment_id):
        st.caption("Starting. You may leave this page.")
        return
    # Refused before it began (stale plan, stage busy): the process said why and ended.
    why = backend().operations.output(deployment_id).strip()
    if why:
        error_panel(key="deployment_refused", what="The deployment was refused.", why=why)
    else:
        st.caption("The address names a deployment that this installation does not have.")


def _ending(deployment: Deployment) -> None:
    stage = deployment.stage.value
    if deployment.outcome is Outcome.IN_PROGRESS:
        st.caption("The version that served before answers until the switch. You may leave this page.")
    elif deployment.outcome.is_good:
        unchanged = " It did before: nothing was changed." if deployment.outcome is Outcome.UNCHANGED else ""
        restored = deployment.restored_in
        again = f" It answered again {duration(restored)} after this began." if restored is not None else ""
        st.success(f"Version {deployment.version} serves on {stage}.{unchanged}{again}", icon=":material/task_alt:")
        st.page_link(navigation.DRAW.file, label="Draw a digit", icon=navigation.DRAW.icon)
    else:
        previous = deployment.previous
        kept = f"Version {previous.version} still serves." if previous else "Nothing is served."
        what = f"Version {deployment.version} was not deployed to {stage}. {kept}"
        if deployment.outcome is Outcome.INTERRUPTED:  # what serves then is in its hint
            what = f"The deployment of version {deployment.version} to {stage} died midway."
        with error_panel(
            key=f"deployment_{deployment.id}",
            what=what,
            why=deployment.error,
            next_step=deployment.hint,
        ):
            st.page_link(
                navigation.ENDPOINTS.file,
                label="Look at the endpoint",
                icon=navigation.ENDPOINTS.icon,
                query_params={"stage": stage},
            )
