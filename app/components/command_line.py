"""Every action has its command; this shows it, ready to copy."""

from __future__ import annotations

import streamlit as st


def command_line(command: str) -> None:
    """Fold with the command (`python -m backend ...`, complete) that does what the control beside it does."""
    with st.expander("Command line", icon=":material/terminal:", type="compact"):
        st.code(command, language=None, wrap_lines=True)
