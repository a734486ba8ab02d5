"""Connections: the doctor's findings about everything the product depends on."""

from __future__ import annotations

import secrets
from typing import Any

import streamlit as st

from app import platforms, theme
from app.components.command_line import command_line
from app.components.error_panel import error_panel
from app.components.status_badge import check_status, status_badge
from app.context import backend, missing, platform, refusal
from app.errors import shown
from app.state import Key
from app.views.operation_answer import operation_answer

REFRESH = "1s"


def examine() -> None:
    """Start a new examination, as a process of its own: one check starts a Triton and takes some seconds."""
    operation = f"doctor-{secrets.token_hex(4)}"
    backend().operations.start(operation, ["doctor", "--json"])
    st.session_state[Key.DOCTOR] = operation


def check_row(index: int, check: dict[str, Any]) -> None:
    with theme.card(f"check_{index}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.text(check["name"], width="content")
            with st.container(horizontal=True, vertical_alignment="center", width="content"):
                st.caption(f"{check['seconds'] * 1000:,.0f} ms", width="content")
                status_badge(check_status(check["ok"]))
        if check["ok"]:
            st.text(check["detail"])
        else:
            error_panel(key=f"check_{index}", what=check["detail"], command=check["fix"])


def live(operation: str, done_when_drawn: bool) -> None:
    with shown("Examine the connections"):
        document = operation_answer(operation)
        if document is None:
            st.caption("Looking. One check starts a Triton of its own and asks it about a known digit: some seconds.")
            for _ in range(4):
                st.skeleton(height=72)
            return
        if not done_when_drawn:
            st.rerun(scope="app")
        checks = document["checks"]
        columns = st.columns(2, gap="medium")
        for index, check in enumerate(checks):
            with columns[index % 2]:
                check_row(index, check)


with theme.header("Connections", "Everything the dashboard depends on, and the command that mends it"):
    st.button("Examine again", key="doctor_again", icon=":material/stethoscope:", on_click=examine)
with shown("Look at the platforms"):
    unusable = refusal(platform())
    if unusable is not None:
        platforms.refused(unusable)
with shown("Examine the connections"):
    if missing(platform()) is not None:
        st.stop()  # nobody can examine what nobody can reach
    if Key.DOCTOR not in st.session_state:
        examine()
    operation = st.session_state[Key.DOCTOR]
    done = not backend().operations.is_running(operation)
    st.fragment(live, run_every=None if done else REFRESH)(operation, done)
    command_line("python -m backend doctor")
    for name, why in platforms.to_set_up():
        with theme.card(f"to_set_up_{name}", f"{platforms.PLACES[name]} is not set up"):
            st.text(why.message)
            st.text(why.hint)
