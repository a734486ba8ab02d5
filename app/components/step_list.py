"""The steps of an operation as a timeline: how each stands, how long it took, what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import streamlit as st

from app.components.relative_time import duration
from app.components.status_badge import status_badge
from backend.domain.steps import Step

_BADGE_WIDTH: Final = 104  # pixels, for the longest word a step has
_NAME_WIDTH: Final = 84


def step_list(steps: Sequence[Step], *, key: str, now: datetime) -> None:
    """Show `steps` in order. `now` (with its time zone) is what a running step's duration is measured to.

    Details are shown as they are: they quote what other programs said.
    """
    with st.container(key=f"steps_{key}", gap="small"):
        for index, step in enumerate(steps):
            _row(step, f"{key}_{index}", now)


def _row(step: Step, key: str, now: datetime) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"step_{step.status.value}_{key}"):
        with st.container(width=_BADGE_WIDTH):
            status_badge(step.status)
        st.text(step.name.capitalize(), width=_NAME_WIDTH)
        st.text(step.detail, width="stretch")
        if step.started_at is not None:
            st.text(duration((step.ended_at or now) - step.started_at), width="content")
