"""Versions that were not run on the data yet: why that matters, the button that does it, and how it goes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from app import theme
from app.comparison_queries import forget_evaluations
from app.components.command_line import command_line
from app.components.error_panel import error_panel
from app.context import backend
from app.errors import shown
from app.identity import actor, click_key, refusal
from app.views.operation_answer import operation_answer
from backend.domain.comparison import Comparison
from backend.domain.predictions import DataKind
from backend.errors import PlatformError
from backend.services.evaluating import EVALUATING_ROLE

REFRESH: Final = "1s"
PARAMETER: Final = "evaluation"


def missing_card(found: Comparison) -> None:
    """Nothing where every version was run on the data; else what is missing, and how to get it."""
    followed = followed_evaluation()
    if not found.missing and not followed:
        return
    with theme.card("evaluate"):
        if found.missing:
            _explain(found)
        if followed:
            running = backend().operations.is_running(followed)
            st.fragment(_live, run_every=REFRESH if running else None)(followed)


def followed_evaluation() -> str:
    """The evaluation that the address names; empty without one."""
    asked = st.query_params.get(PARAMETER, "")
    return asked if re.fullmatch(r"(evaluate|register)-[0-9a-f]{12}", asked) else ""


def start_evaluation(numbers: Sequence[int], data: str) -> None:
    """Evaluate the versions in a process of its own, and follow it by the address."""
    key = click_key("evaluate", *numbers, data, followed_evaluation())
    st.query_params[PARAMETER] = backend().evaluating.start(numbers, actor=actor(), key=key, data=data)


def _explain(found: Comparison) -> None:
    names = _listed([f"v{number}" for number in found.missing])
    data = found.data.data_sha256 if found.data and found.kind is DataKind.TEST else ""
    verb = "was" if len(found.missing) == 1 else "were"
    if found.data is None:
        st.markdown(f":orange[:material/info:] **{names} {verb} not run here yet**")
        st.caption(
            "What a training says of its own model is no comparison. Evaluating runs the archive itself over the test "
            "images, the held-out drawings and the corrected drawings, and keeps what it said of each."
        )
        label = f"Evaluate {names}"
    else:
        st.markdown(f":orange[:material/info:] **{names} {verb} not run on these {found.data.n:,} images**")
        st.caption(
            "Accuracies on different images say nothing about each other, so only equal data are compared: here "
            f"{found.data.data_name} ({found.data.data_sha256[:12]})."
        )
        label = f"Evaluate {names} on the same data"
    followed = followed_evaluation()
    running = bool(followed) and backend().operations.is_running(followed)
    reason = refusal(EVALUATING_ROLE, "evaluate a version")
    if st.button(
        label,
        key="compare_evaluate",
        type="primary",
        icon=":material/play_circle:",
        disabled=running or bool(reason),
        help=reason or ("An evaluation is running." if running else None),
    ):
        with shown("Start the evaluation"):
            start_evaluation(found.missing, data)
            st.rerun()
    chosen = f" --data {data}" if data else ""
    command_line(f"python -m backend evaluate {' '.join(map(str, found.missing))}{chosen}")


def _live(operation: str) -> None:
    with shown("Follow the evaluation"):
        try:
            answer: Any = operation_answer(operation)
        except PlatformError as error:
            error_panel(key="evaluation", what="The evaluation failed.", why=error.message, next_step=error.hint)
            if st.button("Dismiss", key="evaluation_dismiss", type="tertiary"):
                _leave()
            return
        if answer is not None:
            _leave()
        told = backend().operations.output(operation).strip().rpartition("\n")[2]
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("Running", icon=":material/motion_photos_on:", color="blue")
            st.text(f"{told or 'Starting'}. Some seconds a version; you may leave this page.")


def _leave() -> None:
    """What is known has changed: the whole page is drawn anew."""
    forget_evaluations()
    st.query_params.pop(PARAMETER, None)
    st.rerun(scope="app")


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
