"""The dashboard's entry: look, navigation, who is here; then the page itself."""

from __future__ import annotations

import secrets
from typing import Final

import streamlit as st

from app import navigation, theme
from app.components.plain_text import escaped
from app.context import backend
from app.errors import shown
from app.state import Key

PLATFORMS: Final = {
    "local": ":material/computer: Platform: this machine",
    "sagemaker": ":material/cloud: Platform: Amazon SageMaker",
}

theme.apply()
page = st.navigation(navigation.sections())

with shown("Open the dashboard"):
    actor = backend().actor
    with st.sidebar.container(
        key="who", horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.markdown(f":material/account_circle: **{escaped(actor.name)}**")
        st.badge(actor.role.value.capitalize(), color="violet", help="Set by DIGITS_ROLE.")
    with st.sidebar:
        st.caption(PLATFORMS[backend().settings.platform], help="Set by DIGITS_PLATFORM when the dashboard starts.")

    if st.session_state.get(Key.PAGE) != page.url_path:
        st.session_state[Key.PAGE] = page.url_path
        st.session_state.setdefault(Key.SESSION, secrets.token_hex(8))
        st.session_state[Key.VISIT] = st.session_state.get(Key.VISIT, 0) + 1
    page.run()
