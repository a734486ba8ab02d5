"""What stands where an answer has not come yet; the page looks again by itself."""

from __future__ import annotations

from typing import Final

import streamlit as st

from app.state import Key

_AGAIN_S: Final = 2.0


def waiting(text: str) -> None:
    """A skeleton with `text` below it; `look_again` at the end of the run draws the page anew in a moment."""
    st.session_state[Key.WAITING] = True
    st.skeleton(height=72)
    st.caption(text)


def look_again() -> None:
    """Call once, at the end of a run and outside of the page: a part of a page that is redrawn has no lasting place."""
    if st.session_state.pop(Key.WAITING, False):
        st.session_state[Key.TURNS] = 0
        _turn()


@st.fragment(run_every=_AGAIN_S)
def _turn() -> None:
    turns = st.session_state[Key.TURNS] = st.session_state.get(Key.TURNS, 0) + 1
    if turns > 1:  # the first is the page's own run
        st.rerun()
