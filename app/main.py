"""The dashboard's entry: look, navigation, where this session works and who is here; then the page itself."""

from __future__ import annotations

import secrets

import streamlit as st

from app import navigation, platforms, theme
from app.components.plain_text import escaped
from app.components.waiting import look_again
from app.context import backend, backend_of, platform, refusal
from app.errors import shown
from app.state import Key

theme.apply()
page = st.navigation(navigation.sections())

with shown("Open the dashboard"):
    settled = platforms.settle()
    refused = refusal(platform())
    actor = (backend_of(platforms.HOME) if refused else backend()).actor
    with st.sidebar.container(
        key="who", horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.markdown(f":material/account_circle: **{escaped(actor.name)}**")
        st.badge(actor.role.value.capitalize(), color="violet", help="Set by DIGITS_ROLE.")
    with st.sidebar.container(key="where"):
        platforms.switch()

    if st.session_state.get(Key.PAGE) != page.url_path:
        st.session_state[Key.PAGE] = page.url_path
        st.session_state.setdefault(Key.SESSION, secrets.token_hex(8))
        st.session_state[Key.VISIT] = st.session_state.get(Key.VISIT, 0) + 1
    if not settled:
        platforms.leaving()
    elif refused and page.url_path != navigation.CONNECTIONS.address:
        platforms.refused(refused)
    else:
        page.run()
        with st.sidebar:
            look_again()
