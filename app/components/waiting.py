"""What stands where an answer has not come yet; the page looks again by itself."""

from __future__ import annotations

from typing import Final

import streamlit as st

_AGAIN_S: Final = 2.0


def waiting(text: str) -> None:
    """A skeleton with `text` below it, until the page is drawn anew in a moment."""
    st.skeleton(height=72)
    st.caption(text)
    turns = [0]

    @st.fragment(run_every=_AGAIN_S)
    def look_again() -> None:
        turns[0] += 1
        if turns[0] > 1:  # the first time is the page's own run
            st.rerun()

    look_again()
