"""Who acts, and the key that makes a click count once."""

from __future__ import annotations

import hashlib

import streamlit as st

from app.context import backend
from app.state import Key
from backend.domain.identity import Actor, Role


def actor() -> Actor:
    """The person at the browser; every service asks again what they may do."""
    return backend().actor


def refusal(needed: Role, action: str) -> str:
    """Why a control for `action` is disabled for this person; empty when they may use it."""
    if actor().may(needed):
        return ""
    return f"Your role is {actor().role.value}: to {action}, you need {needed.value}."


def click_key(*parts: object) -> str:
    """The idempotency key of what this visit to the page submits: the same for a second click, new after leaving."""
    visit = (st.session_state[Key.SESSION], st.session_state[Key.VISIT], *parts)
    return hashlib.sha256(repr(visit).encode()).hexdigest()
