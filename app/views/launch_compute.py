"""Launch: what the work is to run on, where the platform has a choice."""

from __future__ import annotations

import streamlit as st

from app.context import backend
from app.queries import Job
from backend.domain.capabilities import Feature
from backend.domain.jobs import LONGEST_RUN_MINUTES, Compute
from backend.errors import InvalidInputError


def compute_fields(source: Job | None) -> Compute:
    """The choice, which begins as the one of `source`, the job that is cloned; where the platform offers none, why.

    A wrong value is told under it.
    """
    if reason := backend().training.unsupported.get(Feature.COMPUTE):
        st.caption(f":material/memory: {reason}")
        return Compute()
    settings = backend().settings
    origin, scope = (source.request.compute, f"_{source.name}") if source else (Compute(), "")
    first, second = st.columns(2)
    instance = first.text_input(
        "Instance type",
        origin.instance_type,
        key=f"launch_instance{scope}",
        placeholder=settings.training_instance,
        help="For example ml.c5.2xlarge, or ml.g5.xlarge with a GPU.",
        persist_state="page",
    ).strip()
    minutes = second.number_input(
        "Time limit, minutes",
        min_value=0,
        max_value=LONGEST_RUN_MINUTES,
        value=origin.max_minutes,
        key=f"launch_minutes{scope}",
        help="Work that is paid for at most; 0 is a day.",
        persist_state="page",
    )
    spot = st.toggle(
        "Spot capacity",
        origin.spot,
        key=f"launch_spot{scope}",
        help="Spare capacity at a lower price. It may be taken away: the job then goes on from its checkpoint.",
        persist_state="page",
    )
    wait = 0
    if spot:
        wait = st.number_input(
            "Longest wait, minutes",
            min_value=0,
            max_value=LONGEST_RUN_MINUTES,
            value=origin.max_wait_minutes,
            key=f"launch_wait{scope}",
            help="Work and waiting for capacity together, so no less than the time limit; 0 is the platform's own.",
            persist_state="page",
        )
    try:
        return Compute(instance_type=instance, spot=spot, max_minutes=int(minutes), max_wait_minutes=int(wait))
    except InvalidInputError as error:
        st.error(error.message)
        st.stop()
