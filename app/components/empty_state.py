"""What a list shows when it has nothing to show: why, and the first thing to do about it."""

from __future__ import annotations

from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.navigation.page import Page

_WIDTH: Final = 460  # pixels: a sentence of about 60 letters a line


def empty_state(
    *, key: str, icon: str, title: str, sentence: str, action: str = "", action_icon: str | None = None
) -> bool:
    """Show icon, title and one sentence; with `action`, a button whose click is returned.

    `key` is the button's key. *Nothing yet* offers the first action, *nothing matches* offers to clear the filter.
    """
    with _frame(key, icon, title, sentence):
        return bool(action) and st.button(action, key=key, icon=action_icon, type="primary")


def empty_state_link(
    *, key: str, icon: str, title: str, sentence: str, page: str | Page, label: str, link_icon: str | None = None
) -> None:
    """Like `empty_state`, leading to another page (a path as `st.page_link` takes it, or the page itself)."""
    with _frame(key, icon, title, sentence), st.container(key=f"empty_link_{key}", width="content"):
        st.page_link(page, label=label, icon=link_icon)


def _frame(key: str, icon: str, title: str, sentence: str) -> DeltaGenerator:
    outer = st.container(key=f"empty_state_{key}", horizontal_alignment="center")
    inner = outer.container(width=_WIDTH, horizontal_alignment="center", gap="small")
    inner.container(key=f"empty_icon_{key}", width="content").markdown(icon)
    inner.container(key=f"empty_title_{key}", horizontal_alignment="center", gap=None).text(title)
    inner.caption(sentence, text_alignment="center")
    return inner
