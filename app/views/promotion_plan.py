"""Before a deployment: what would change, how long it takes, whether it may, and the buttons that start it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import streamlit as st

from app import navigation, queries, theme
from app.components.command_line import command_line
from app.components.confirm import confirm
from app.components.gate_rows import gate_rows, gate_title, what_to_do
from app.components.relative_time import duration
from app.context import backend
from app.errors import shown
from app.estimates import PRICE_UNKNOWN
from app.identity import refusal
from app.views.deployment import start_deployment
from app.views.plan_difference import plan_difference
from app.views.stage_card import TITLES
from backend.domain.gates import SHORTEST_REASON, GateName, GateResult, blocking
from backend.domain.promotion import STEPS, DeploymentKind, DeploymentPlan, Outcome
from backend.domain.serving import EndpointStatus, ServedModel, Stage
from backend.errors import RefusedError
from backend.services.promotion import NOTHING, OVERRIDING_ROLE

_ROLLBACK_ICON = ":material/undo:"


def plan_card(plan: DeploymentPlan, gates: Sequence[GateResult]) -> None:
    stage, version = plan.stage, f"v{plan.version.version}"
    change = f"{version} serves" if plan.changes_nothing else f"{served_name(plan.serving)} → {version}"
    with theme.card("plan", f"{TITLES[stage]}: {change}"):
        plan_difference(plan, key="difference")
        _what_it_takes(plan)
        standing = blocking(gates)
        reason = blocked(plan) or _standing_in_the_way(plan, standing)
        if reason:
            with st.container(horizontal=True, wrap=False, gap="small", key="promote_blocked"):
                st.markdown(":orange[:material/lock:]", width="content")
                st.text(reason, width="stretch")
        overriding = bool(standing) and not reason
        label = f"Override and promote {version}" if overriding else f"Promote {version} to {stage.value}"
        if st.button(
            label,
            key="promote_submit",
            type="secondary" if overriding else "primary",
            icon=":material/gavel:" if overriding else navigation.PROMOTE.icon,
            disabled=bool(reason),
            help=reason or None,
            width="stretch",
        ):
            _ask(plan, gates)
        expected = plan.serving.sha256 if plan.serving else NOTHING
        command = f"python -m backend promote {plan.version.version} --to {stage.value} --expected {expected}"
        if overriding:
            command += " --override 'why it should serve all the same'"
        if queries.deployments(stage):
            rollback_button(stage)
            command += f"\npython -m backend rollback --stage {stage.value}"
        command_line(command)


def _ask(plan: DeploymentPlan, gates: Sequence[GateResult]) -> None:
    """The dialog; only what is simple and harmless starts without one: staging, with all gates passed."""
    stage, version, standing = plan.stage, f"v{plan.version.version}", blocking(gates)
    if stage is Stage.STAGING and not standing:
        with shown("Start the deployment"):
            start_deployment(plan)
            st.rerun()
        return
    names = ", ".join(gate_title(gate.name).lower() for gate in standing)
    confirm(
        question=f"Override {len(standing)} of {len(gates)} gates and promote {version}?"
        if standing
        else f"Promote {version} to {stage.value}?",
        verb=f"Promote {version}",
        consequences=[
            f"{TITLES[stage]} serves {served_name(plan.serving)} now and {version} then.",
            *([f"Not passed: {names}. Your name and your reason are kept with the deployment."] if standing else []),
            "No request fails while it changes; rolling back is one click.",
        ],
        details=lambda: _in_dialog(plan, gates, standing),
        apply=lambda: start_deployment(plan),
        explain=(lambda reason: start_deployment(plan, override=reason)) if standing else None,
        shortest=SHORTEST_REASON,
        icon=":material/gavel:" if standing else navigation.PROMOTE.icon,
    )


def _in_dialog(plan: DeploymentPlan, gates: Sequence[GateResult], standing: Sequence[GateResult]) -> None:
    """What changes; the gates that stand in the way; the others in a fold."""
    plan_difference(plan, key="difference_asked")
    if standing:
        gate_rows(standing, key="standing")
        what_to_do(standing, key="standing")
    others = [gate for gate in gates if gate not in standing]
    if others:
        with st.expander(f"{len(others)} gates that let it through", icon=":material/verified_user:", type="compact"):
            gate_rows(others, key="others")


def _what_it_takes(plan: DeploymentPlan) -> None:
    """Steps, time, cost, and the way back."""
    cost = f"Costs ${plan.hourly_cost:.2f} an hour" if plan.hourly_cost else "Costs nothing: it runs on this machine"
    if plan.hourly_cost is None:
        cost = PRICE_UNKNOWN.rstrip(".")
    back = served_name(plan.rollback_to) if plan.rollback_to else "nothing: this is the first"
    lines = [
        f":material/route: {' → '.join(STEPS)}; the old version answers until the switch, and after any failure",
        f":material/timer: Takes {_usually(plan)}",
        f":material/payments: {cost}",
        f":material/undo: A rollback would go to {back}",
    ]
    st.caption("  \n".join(lines))


def _usually(plan: DeploymentPlan) -> str:
    """How long it takes, by what this stage's own deployments took."""
    if plan.usually is None:
        return "some seconds: a Triton is started for the first one"
    done = sum(deployment.outcome is Outcome.SUCCEEDED for deployment in queries.deployments(plan.stage))
    of = f"the median of {done} deployments" if done > 1 else "as the one deployment"
    return f"about {duration(plan.usually)}, {of} to {plan.stage.value}"


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
    """Why nobody, or not this person, can apply the plan whatever the gates say; empty when they can."""
    if busy := under_way(plan.stage):
        return busy
    if plan.changes_nothing and queries.endpoint(plan.stage).status is EndpointStatus.IN_SERVICE:
        return f"{plan.stage.value.capitalize()} serves this version already."
    return refusal(backend().promotion.needed_role(plan.stage), f"promote to {plan.stage.value}")


def _standing_in_the_way(plan: DeploymentPlan, standing: Sequence[GateResult]) -> str:
    """Why the gates stop this person; empty when all pass, and for an approver who may override those that do not."""
    if not standing:
        return ""
    name = f"v{plan.version.version}"
    for gate in standing:
        if not gate.overridable:
            return f"{name} cannot be promoted: {gate.reason}"
        if gate.name == GateName.APPROVED.value:  # an approver says yes or no beside this, and overrides what is left
            return f"{name} cannot be promoted: it is {gate.observed}. An approver has to decide."
    what = "1 gate does" if len(standing) == 1 else f"{len(standing)} gates do"
    why_not = refusal(OVERRIDING_ROLE, "override a gate")
    return f"{what} not pass. {why_not}" if why_not else ""


def rollback_button(stage: Stage) -> None:
    """One click, and a dialog that says what would serve again."""
    try:
        plan = backend().promotion.rollback_plan(stage)
    except RefusedError as error:
        st.button(
            "Roll back",
            key="rollback_submit",
            icon=_ROLLBACK_ICON,
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
        icon=_ROLLBACK_ICON,
        disabled=bool(reason),
        help=reason,
        width="stretch",
    ):
        confirm(
            question=f"Roll back {stage.value} to {target}?",
            verb=f"Roll back to {target}",
            consequences=[
                f"{TITLES[stage]} serves {served_name(plan.serving)} now; {target} served well before.",
                f"It takes {_usually(plan)}. No request fails while it changes. No gate is asked.",
            ],
            details=lambda: plan_difference(plan, key="difference_back"),
            apply=lambda: start_deployment(plan, DeploymentKind.ROLLBACK),
            icon=_ROLLBACK_ICON,
        )


def served_name(served: ServedModel | None) -> str:
    return f"v{served.version}" if served else "nothing"
