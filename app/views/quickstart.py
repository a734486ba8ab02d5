"""Quick start: one button from nothing to both stages answering, and its steps while it runs."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from app import navigation, queries, theme
from app.components.command_line import command_line
from app.components.error_panel import error_panel
from app.components.notice import notice
from app.components.relative_time import duration
from app.components.step_list import step_list
from app.context import backend
from app.errors import shown
from app.identity import actor, refusal
from app.state import Key
from backend.domain.identity import Role
from backend.domain.operations import Operation, OperationStatus
from backend.domain.serving import Stage
from backend.domain.steps import StepStatus

PRESET = "fast"
FALLBACK = "digits8x8"
"""What a training takes when MNIST cannot be had."""
REFRESH = "1s"


def offer() -> None:
    """The first thing on a new installation."""
    with theme.card("quickstart"):
        st.subheader("From nothing to production in two minutes", anchor=False)
        st.caption(
            "Trains a model on this machine, evaluates it, registers and approves it as you, "
            "and deploys it to staging and production. Then draw a digit."
        )
        _button("Quick start", ":material/bolt:")
        command_line(f"python -m backend quickstart --preset {PRESET}")


def _button(label: str, icon: str) -> None:
    reason = refusal(Role.APPROVER, "run the quick start")
    if st.button(label, key="quickstart", type="primary", icon=icon, disabled=bool(reason), help=reason or None):
        with shown("Start the quick start"):
            backend().quickstart.start(actor=actor(), preset=PRESET)
            st.rerun()


def follow(operation: Operation) -> None:
    """The steps of a quick start that has not completed: live while it runs, with a way on when it failed."""
    running = operation.status is OperationStatus.IN_PROGRESS
    with theme.card("quickstart", "Quick start"):
        st.fragment(_live, run_every=REFRESH if running else None)(operation.status)
        if operation.status in (OperationStatus.FAILED, OperationStatus.INTERRUPTED):
            error_panel(
                key="quickstart",
                what="The quick start did not get to its end. What was done is kept.",
                why=operation.error,
                next_step=operation.hint,
            )
            died_in = next((step.name for step in operation.steps if step.status is not StepStatus.COMPLETED), "")
            _button(f"Retry from {died_in}" if died_in else "Retry", ":material/replay:")
            command_line(f"python -m backend quickstart --preset {PRESET}")


def finished(operation: Operation) -> None:
    """One line about a quick start that has just completed."""
    if operation.ended_at is None or (datetime.now(UTC) - operation.ended_at).total_seconds() > 600:
        return
    took = duration(operation.ended_at - operation.started_at)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.success(
            f"Quick start finished in {took}: version {operation.result['version']} serves on staging and production.",
            icon=":material/task_alt:",
        )
        st.page_link(navigation.DRAW.file, label="Draw a digit", icon=navigation.DRAW.icon)
    made = next((one for one in queries.versions() if one.version == operation.result["version"]), None)
    if made is not None and made.evaluation is not None and made.evaluation.dataset == FALLBACK:
        notice(
            "MNIST could not be had: this model learnt the small 8x8 digits that come with the program, and its "
            f"accuracy is that on {made.evaluation.n:,} more of them. Its job says why.",
            key="quickstart_fallback",
            kind="warning",
        )


def _live(status_when_drawn: OperationStatus) -> None:
    with shown("Follow the quick start"):
        operation = backend().quickstart.latest()
        if operation is None or operation.status is not status_when_drawn:
            st.rerun(scope="app")
            return
        now = datetime.now(UTC)
        step_list(operation.steps, key="quickstart", now=now)
        if operation.status is OperationStatus.IN_PROGRESS:
            elapsed = duration(now - operation.started_at)
            with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                st.caption(
                    f"{elapsed} so far; usually one to two minutes in all. You may leave this page; it goes on.",
                    width="content",
                )
                _stop(operation)
        _made(operation)


def _stop(operation: Operation) -> None:
    """While it trains: what follows takes seconds, and a deployment is never left half done."""
    training = operation.steps[0].status is StepStatus.IN_PROGRESS
    job = str(operation.result.get("job", ""))
    if not (training and job):
        return
    reason = refusal(Role.OPERATOR, "stop jobs")
    if st.button(
        "Stop", key="quickstart_stop", icon=":material/stop_circle:", disabled=bool(reason), help=reason or None
    ):
        # The question is put by the whole page: a dialog opened in here would close at the next look.
        st.session_state[Key.ASKED_TO_STOP] = [job]
        st.rerun(scope="app")


def _made(operation: Operation) -> None:
    """Where what has been made so far can be looked at."""
    made, version = operation.result, str(operation.result.get("version", ""))
    links = [
        (navigation.JOBS, f"{made.get('job')}", {"job": str(made.get("job", ""))}),
        (navigation.PROMOTE, f"Version {version}", {"version": version}),
        *(
            (navigation.PROMOTE, str(made[stage.value]), {"stage": stage.value, "deployment": str(made[stage.value])})
            for stage in Stage
            if stage.value in made
        ),
    ]
    with st.container(horizontal=True, key="quickstart_links"):
        for entry, label, address in links:
            if all(address.values()):
                st.page_link(
                    entry.file,
                    label=label,
                    icon=entry.icon,
                    query_params=address if entry is navigation.JOBS else {"version": version, **address},
                    width="content",
                )
