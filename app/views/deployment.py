"""A deployment as it goes: its steps while it runs, how it ended, and what to do then."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from app import navigation, queries
from app.components.error_panel import error_panel
from app.components.step_list import step_list
from app.context import backend
from app.errors import shown
from backend.domain.promotion import Deployment, Outcome
from backend.errors import NotFoundError

REFRESH = "1s"


def deployment_view(deployment_id: str) -> None:
    """Follow the deployment until it has ended; then it is drawn once."""
    ended = (found := _find(deployment_id)) is not None and found.outcome is not Outcome.IN_PROGRESS
    st.fragment(_live, run_every=None if ended else REFRESH)(deployment_id, ended)


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
            queries.endpoint.clear()
            queries.deployments.clear()
            st.rerun(scope="app")
        step_list(deployment.steps, key=deployment.id, now=datetime.now(UTC))
        _ending(deployment)


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
        st.success(f"Version {deployment.version} serves on {stage}.{unchanged}", icon=":material/task_alt:")
        st.page_link(navigation.DRAW.file, label="Draw a digit", icon=navigation.DRAW.icon)
    else:
        previous = deployment.previous
        kept = f"Version {previous.version} still serves." if previous else "Nothing is served."
        if deployment.outcome is Outcome.INTERRUPTED:
            kept = "What serves now is on the Endpoints page."
        error_panel(
            key=f"deployment_{deployment.id}",
            what=f"Version {deployment.version} was not deployed to {stage}. {kept}",
            why=deployment.error,
            next_step=deployment.hint,
        )
