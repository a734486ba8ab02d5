"""A sentence for the person at the page that quotes other programs: shown as it is, never read as Markdown."""

from __future__ import annotations

from typing import Literal

import streamlit as st

_SIGNS = {"info": ":blue[:material/info:]", "warning": ":orange[:material/warning:]"}


def notice(text: str, *, key: str, kind: Literal["info", "warning"] = "info") -> None:
    with st.container(border=True, horizontal=True, wrap=False, gap="small", key=f"notice_{key}"):
        st.markdown(_SIGNS[kind], width="content")
        st.text(text, width="stretch")
