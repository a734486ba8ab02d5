"""The platform that a session works on, and its backend: connected once for each, shared by all of its sessions."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.state import Key
from backend.assembly import Backend
from backend.bootstrap import connect, lacking
from backend.errors import DigitsError
from backend.settings import Settings, load_settings


def platform() -> str:
    """Where the session that is being drawn works; DIGITS_PLATFORM unless it chose another.

    Never ask from a thread of one's own: it belongs to no session.
    """
    if get_script_run_ctx(suppress_warning=True) is None:
        raise RuntimeError("Only a session works on a platform, and this thread draws none.")
    chosen: str | None = st.session_state.get(Key.PLATFORM)
    return chosen or default_platform()


def default_platform() -> str:
    """DIGITS_PLATFORM. Raises `DigitsError` when the settings are wrong."""
    return _settings().platform


def backend() -> Backend:
    """The backend of the session's platform.

    Raises `DigitsError` when a setting is wrong or missing, or the database cannot be opened; not cached then.
    """
    return backend_of(platform())


@st.cache_resource(show_spinner=False)
def backend_of(name: str) -> Backend:
    """The backend of this platform; made when it is first asked for."""
    return connect(_on(name), watched=True)


def refusal(name: str) -> DigitsError | None:
    """Why nobody can work on this platform from here; None when they can. Told at once: nobody waits for AWS."""
    try:
        return missing(name) or backend_of(name).refusal()
    except DigitsError as error:
        return error


def missing(name: str) -> DigitsError | None:
    """Which setting is missing for this platform; None when all are there. Connects to nothing."""
    return lacking(_on(name))


def _on(name: str) -> Settings:
    return _settings().model_copy(update={"platform": name})


@st.cache_resource(show_spinner=False)
def _settings() -> Settings:
    return load_settings()
