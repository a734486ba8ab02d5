"""Every action has its command; this shows it, ready to copy."""

from __future__ import annotations

from typing import Final

import streamlit as st

from app.state import Key

_PROGRAM: Final = "python -m backend "


def command_line(command: str) -> None:
    """Fold with the command (`python -m backend ...`, complete) that does what the control beside it does.

    Each line of ours gets what it needs to work where this session does.
    """
    option = st.session_state.get(Key.COMMAND_OPTION, "")
    lines = [line + option if line.startswith(_PROGRAM) else line for line in command.split("\n")]
    with st.expander("Command line", icon=":material/terminal:", type="compact"):
        st.code("\n".join(lines), language=None, wrap_lines=True)
