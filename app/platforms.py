"""Where this session works: chosen in the sidebar, kept in the address, and what changes with it.

A session that goes elsewhere takes nothing along that is of the platform it leaves: what it remembered waits on a
shelf, and the page is taken down before it is drawn anew, because a widget that stays keeps its value.
"""

from __future__ import annotations

from typing import Final

import streamlit as st

from app import navigation
from app.components.error_panel import error_panel
from app.context import default_platform, missing, platform
from app.state import ANYWHERE, Key
from backend.errors import DigitsError

PARAMETER: Final = "platform"
HOME: Final = "local"
"""The one that can always be worked on."""
NAMES: Final = {HOME: "Local", "sagemaker": "SageMaker"}
PLACES: Final = {HOME: "this machine", "sagemaker": "Amazon SageMaker"}
_SWITCH: Final = "platform_switch"
_TAKEN_DOWN_S: Final = 0.1


def settle() -> bool:
    """Begin a run where the sidebar or the address says; false while the platform before is being left.

    An address without a platform is one of ours (a link of a page, the menu): the session stays where it is.
    """
    state, address = st.session_state, st.query_params
    chosen = state.pop(Key.PLATFORM_CHOSEN, "")
    asked = chosen or address.get(PARAMETER, "")
    if Key.PLATFORM not in state:
        state[Key.PLATFORM] = asked if asked in NAMES else default_platform()
    elif asked in NAMES and asked != platform():
        _leave_for(asked, keep_address=not chosen)
    elif Key.LEAVING in state:
        _arrive(keep_address=state.pop(Key.LEAVING)["keep_address"])
    elsewhere = platform() != default_platform()
    state[Key.COMMAND_OPTION] = f" --platform {platform()}" if elsewhere else ""
    if not elsewhere:
        address.pop(PARAMETER, None)
    elif address.get(PARAMETER) != platform():
        address[PARAMETER] = platform()
    return Key.LEAVING not in state


def switch() -> None:
    """The choice, for the sidebar; a platform that lacks a setting is there, and says which."""
    lacks = dict(to_set_up())
    if st.session_state.get(_SWITCH) != platform():
        st.session_state[_SWITCH] = platform()
    st.segmented_control(
        "Platform",
        list(NAMES),
        format_func=NAMES.__getitem__,
        required=True,
        key=_SWITCH,
        on_change=_choose,
        # With one to choose from there is no choice; who came to the other by its address can go back.
        disabled=bool(lacks) and platform() not in lacks,
        width="stretch",
    )
    for why in lacks.values():
        st.caption(why.message)
        st.page_link(navigation.CONNECTIONS.file, label="Set it up", icon=navigation.CONNECTIONS.icon)


def to_set_up() -> list[tuple[str, DigitsError]]:
    """The platforms that lack a setting, and which."""
    return [(name, why) for name in NAMES if (why := missing(name)) is not None]


def leaving() -> None:
    """What stands in the page's place for a moment."""
    st.caption(f"Going to {PLACES[platform()]}")
    for _ in range(4):
        st.skeleton(height=72)
    _draw_when_taken_down()


def refused(why: DigitsError) -> None:
    """The page's place where the platform cannot be worked on: why, what to do, and the way back."""
    panel = error_panel(
        key="platform", what=f"{PLACES[platform()]} cannot be used from here.", why=why.message, next_step=why.hint
    )
    with panel, st.container(horizontal=True):
        if platform() != HOME:
            st.button("Work on this machine", key="platform_home", type="primary", on_click=_choose, args=(HOME,))
        st.page_link(navigation.CONNECTIONS.file, label="Open Connections", icon=navigation.CONNECTIONS.icon)


def _choose(name: str = "") -> None:
    st.session_state[Key.PLATFORM_CHOSEN] = name or st.session_state[_SWITCH]


def _leave_for(name: str, *, keep_address: bool) -> None:
    state = st.session_state
    here = [key for key in Key if key in state and key not in ANYWHERE]
    state.setdefault(Key.SHELVES, {})[platform()] = {key: state.pop(key) for key in here}
    state[Key.PLATFORM] = name
    state[Key.LEAVING] = {"keep_address": keep_address, "drawn": False}
    state.pop(Key.PAGE, None)  # what is submitted from now on is of another visit


def _arrive(*, keep_address: bool) -> None:
    """Once the page's widgets are gone: forget what they and the address said of the platform before."""
    state = st.session_state
    for key in [key for key in state if key not in {*Key, _SWITCH}]:
        del state[key]
    state.update(state.get(Key.SHELVES, {}).pop(platform(), {}))
    if not keep_address:
        for name in [name for name in st.query_params if name != PARAMETER]:
            del st.query_params[name]


@st.fragment(run_every=_TAKEN_DOWN_S)
def _draw_when_taken_down() -> None:
    """The browser runs this for the second time once it shows what stands in the page's place."""
    progress = st.session_state.get(Key.LEAVING)
    if progress is None:
        return  # the page is there already
    if progress["drawn"]:
        st.rerun()
    progress["drawn"] = True
