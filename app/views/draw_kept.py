"""A picture that another page led here with, and variants of it: turned, moved, thicker or thinner."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import streamlit as st

from app import theme
from app.comparison_queries import images
from app.components.digit_image import digit_image
from app.errors import shown
from app.state import Key
from backend.errors import NotFoundError
from backend.services.prediction import Pixels
from backend.services.sampling import known_images
from backend.services.variants import LARGEST_MOVE, LARGEST_TURN, PENS, variant

PARAMETER: Final = "picture"
"""The query parameter: the SHA-256 of kept images, a hyphen, and the place of one of them."""
_SLIDERS: Final = ("variant_turn", "variant_right", "variant_down", "variant_pen")


class Kept(NamedTuple):
    """One of the images that versions were evaluated on: its 784 bytes, and what it is."""

    pixels: bytes
    label: int
    told: str


def take_kept_picture() -> None:
    """Take the picture that the address names, once: whoever draws afterwards sees the drawing."""
    asked = st.query_params.get(PARAMETER, "")
    if asked == st.session_state.get(Key.PICTURE_ASKED, ""):
        return
    st.session_state[Key.PICTURE_ASKED] = asked
    st.session_state[Key.PICTURE] = _read(asked) if asked else None
    if st.session_state[Key.PICTURE] is not None:
        st.session_state[Key.STROKES] = []
        st.session_state[Key.UPLOAD] = None
        st.session_state[Key.CANVAS_REVISION] = st.session_state.get(Key.CANVAS_REVISION, 0) + 1
        _as_it_is()


def leave_kept_picture() -> None:
    """Something else counts from now on."""
    st.session_state[Key.PICTURE] = None
    st.query_params.pop(PARAMETER, None)
    st.session_state[Key.PICTURE_ASKED] = ""


def true_label() -> int | None:
    """What the picture is, as the data set has it; None when a drawing or an upload counts."""
    kept: Kept | None = st.session_state.get(Key.PICTURE)
    return None if kept is None else kept.label


def kept_variant() -> Pixels | None:
    """The controls, and the picture as they bend it; None when there is none."""
    kept: Kept | None = st.session_state.get(Key.PICTURE)
    if kept is None:
        return None
    with theme.card("kept_picture"):
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            digit_image(kept.pixels, alt=f"A {kept.label}: {kept.told}", width=84)
            with st.container(gap="xsmall"):
                st.markdown(f"**A {kept.label}** · {kept.told}")
                st.caption("Bend it and see when the answers change; or draw, and the drawing takes its place.")
        left, right = st.columns(2)
        turn = left.slider("Turn", -LARGEST_TURN, LARGEST_TURN, 0, format="%d°", key="variant_turn")
        pen = right.select_slider("Pen", PENS, "as it is", key="variant_pen")
        aside = left.slider("Right", -LARGEST_MOVE, LARGEST_MOVE, 0, format="%d px", key="variant_right")
        down = right.slider("Down", -LARGEST_MOVE, LARGEST_MOVE, 0, format="%d px", key="variant_down")
        st.button("As it is", key="variant_reset", icon=":material/restart_alt:", type="tertiary", on_click=_as_it_is)
        return variant(kept.pixels, turn=turn, right=aside, down=down, pen=pen)


def _read(asked: str) -> Kept | None:
    """None for an address that names no kept image, and the page says so."""
    found = re.fullmatch(r"([0-9a-f]{64})-([0-9]{1,7})", asked)
    known = known_images()
    with shown("Find the picture"):
        try:
            data = (known if found[1] == known.sha256 else images(found[1])) if found else None
        except NotFoundError:
            data = None
        if found is None or data is None or int(found[2]) >= len(data):
            st.caption("The address names a picture that is not kept here.")
            return None
        place = int(found[2])
        return Kept(data.pixels(place), data.labels[place], f"image {place} of {data.name}")
    return None


def _as_it_is() -> None:
    for key in _SLIDERS:
        st.session_state.pop(key, None)
