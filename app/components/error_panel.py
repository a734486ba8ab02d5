"""How a failure is told: what happened, why, what to do next, and an id that is in the log too. Never a traceback."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def error_panel(
    *, key: str, what: str, why: str = "", next_step: str = "", command: str = "", reference: str = ""
) -> DeltaGenerator:
    """Show a failure and return its panel, so that the page can add the button that mends it.

    All texts are shown as they are: they may quote file names and messages of other programs.
    `command` is offered for copying; `reference` is the id under which the log has the details.
    """
    panel = st.container(border=True, key=f"error_panel_{key}", gap="small")
    with panel:
        with st.container(horizontal=True, wrap=False, gap="small", key=f"error_what_{key}"):
            st.markdown(":red[:material/error:]", width="content")
            st.text(what, width="stretch")
        if why:
            st.text(why)
        if next_step:
            st.text(next_step)
        if command:
            st.code(command, language=None, wrap_lines=True)
        if reference:
            with st.container(key=f"error_reference_{key}"):
                st.text(f"Reference {reference} (also in the log)")
    return panel
