"""A stage's live numbers: its server's own, and the rate between the last two looks of this session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import streamlit as st

from app import queries
from app.state import Key
from backend.domain.serving import EndpointMetrics, Stage, requests_per_second
from backend.errors import EndpointUnavailableError

_LOOK_EXPIRES_S: Final = 10.0
"""A rate against an older look would be that of a time when nobody watched."""


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """`look` is the newest there is; `trouble` says why there is none from now. `per_second` takes two looks."""

    look: EndpointMetrics
    per_second: float | None
    trouble: str = ""


def numbers(stage: Stage) -> Numbers | None:
    """None as long as the server said nothing to this session."""
    looks: dict[Stage, tuple[EndpointMetrics | None, EndpointMetrics]]
    looks = st.session_state.setdefault(Key.LOOKS, {})
    trouble = ""
    try:
        look = queries.endpoint_metrics(stage)
    except EndpointUnavailableError as error:
        if stage not in looks:
            return None
        trouble = error.message
    else:
        _, last = looks.get(stage, (None, None))
        if last is None or (look.at - last.at).total_seconds() > _LOOK_EXPIRES_S:
            looks[stage] = (None, look)
        elif look.at != last.at:
            looks[stage] = (last, look)
    before, look = looks[stage]
    return Numbers(look=look, per_second=requests_per_second(before, look) if before else None, trouble=trouble)


def milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.{0 if value >= 100 else 1}f} ms"
