"""Turning the pages of something looked at in order, with a button for each way."""

from __future__ import annotations

import streamlit as st


def first_shown(
    count: int, about: tuple[object, ...], *, per_page: int, kept: str, key: str, words: tuple[str, str]
) -> int:
    """The place of the first of `count` to show; with another choice `about` them it is the first again.

    `kept` is the session's key of the page; `words` are on the buttons back and on, whose keys are `key` and they.
    """
    state = st.session_state.get(kept)
    last = (count - 1) // per_page
    page = min(state[1], last) if state is not None and state[0] == about else 0
    if last:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            for word, icon, to in zip(words, ("chevron_left", "chevron_right"), (page - 1, page + 1), strict=True):
                st.button(
                    word,
                    key=f"{key}_{word.lower()}",
                    icon=f":material/{icon}:",
                    disabled=not 0 <= to <= last,
                    on_click=_turn_to,
                    args=(kept, about, to),
                )
            first, end = page * per_page + 1, min(count, (page + 1) * per_page)
            st.caption(f"{first:,} to {end:,} of {count:,}", width="content")
    return page * per_page


def _turn_to(kept: str, about: tuple[object, ...], page: int) -> None:
    st.session_state[kept] = about, page
