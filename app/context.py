"""The backend of this process: connected once, shared by every session."""

from __future__ import annotations

import streamlit as st

from backend.assembly import Backend
from backend.bootstrap import connect
from backend.settings import load_settings


@st.cache_resource(show_spinner=False)
def backend() -> Backend:
    """Raises `DigitsError` when the settings are wrong or the database cannot be opened; not cached then."""
    return connect(load_settings(), watched=True)
