"""Launch: what the work is to run on, where the platform has a choice."""

from __future__ import annotations

import streamlit as st

from app.context import backend
from backend.domain.capabilities import Feature
from backend.domain.jobs import Compute
from backend.errors import InvalidInputError


def compute_fields() -> Compute:
    """The choice; the platform's own where it offers none, which needs no words. A wrong value is told under it."""
    if Feature.COMPUTE in backend().training.unsupported:
        return Compute()
    settings = backend().settings
    first, second = st.columns(2)
    instance = first.text_input(
        "Instance type",
        key="launch_instance",
        placeholder=settings.training_instance,
        help="For example ml.c5.2xlarge, or ml.g5.xlarge with a GPU.",
        persist_state="page",
    ).strip()
    minutes = second.number_input(
        "Time limit, minutes",
        min_value=0,
        value=0,
        key="launch_minutes",
        help="Work that is paid for at most; 0 is a day.",
        persist_state="page",
    )
    spot = st.toggle(
        "Spot capacity",
        key="launch_spot",
        help="Spare capacity at a lower price. It may be taken away: the job then goes on from its checkpoint.",
        persist_state="page",
    )
    try:
        return Compute(instance_type=instance, spot=spot, max_minutes=int(minutes))
    except InvalidInputError as error:
        st.error(error.message)
        st.stop()
