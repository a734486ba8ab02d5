"""What stands between a version and a stage: its gates, looked at now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from app import queries, theme
from app.components.gate_rows import gate_rows, gates_in_words, what_to_do
from app.components.relative_time import relative
from backend.domain.gates import GateName, GateResult, blocking
from backend.domain.promotion import DeploymentPlan
from backend.domain.serving import Stage

_MEASURED = {GateName.LATENCY.value, GateName.PROBE.value}


def gate_card(plan: DeploymentPlan, results: Sequence[GateResult]) -> None:
    stage = plan.stage.value
    with theme.card("gates", f"Gates of {stage}"):
        if not results:
            st.caption("No gate is declared for this stage in models/gates.yaml.")
            return
        standing = blocking(results)
        colour, icon = ("red", "block") if standing else ("green", "verified_user")
        st.markdown(f":{colour}[:material/{icon}:] {gates_in_words(results)}")
        gate_rows(results, key=stage)
        what_to_do(standing, key=stage)
        asked = any(result.name in _MEASURED and result.observed is not None for result in results)
        with st.container(horizontal=True, vertical_alignment="center"):
            if asked and st.button(
                "Ask staging again", key="gates_again", icon=":material/replay:", type="tertiary", width="content"
            ):
                queries.staging_look.clear()
                st.rerun()
            if asked:
                look = queries.staging_look(plan.target, queries.endpoint(Stage.STAGING).since)
                st.caption(f"Staging was asked {relative(look.at, datetime.now(UTC))}; promoting asks everything anew.")
            else:
                st.caption("Promoting asks everything anew.")
