"""Draw: a digit by hand or from a file, and what the endpoints say it is."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import navigation, queries, theme
from app.components.digit_canvas import digit_canvas
from app.components.empty_state import empty_state_link
from app.errors import shown
from app.state import Key
from app.views.draw_answers import answer_cards, choose_candidate
from app.views.draw_files import TYPES, files_card
from app.views.draw_kept import kept_variant, leave_kept_picture, take_kept_picture, true_label
from app.views.draw_request import request_fold
from app.views.draw_samples import samples_card
from app.views.draw_seen import INVERTED, seen_card
from app.views.hard_examples import hard_examples_card
from backend.domain.prediction import Prediction
from backend.domain.serving import Endpoint, Stage
from backend.services.prediction import Pixels, seen_from_file, seen_from_strokes


def drawing() -> list[Any]:
    """The canvas; returns the strokes as they are now."""
    strokes = st.session_state.setdefault(Key.STROKES, [])
    event = digit_canvas(strokes=strokes, revision=st.session_state.setdefault(Key.CANVAS_REVISION, 0))
    if event is not None and event.seq != st.session_state.get(Key.CANVAS_SEQ):
        st.session_state[Key.CANVAS_SEQ] = event.seq
        st.session_state[Key.STROKES] = strokes = event.strokes
        st.session_state[Key.UPLOAD] = None
        leave_kept_picture()
    return list(strokes)


def take_upload() -> None:
    """An uploaded picture takes the place of the drawing; the canvas is wiped."""
    file = st.session_state["draw_upload"]
    st.session_state[Key.UPLOAD] = None if file is None else file.getvalue()
    if file is not None:
        leave_kept_picture()
        st.session_state[Key.STROKES] = []
        st.session_state[Key.CANVAS_REVISION] += 1


def seen_picture(strokes: list[Any]) -> tuple[Pixels | None, bool]:
    """What the model gets to see, and whether it was inverted for it; None while there is nothing."""
    upload = st.session_state.get(Key.UPLOAD)
    if upload is not None:
        return seen_from_file(upload)
    return (seen_from_strokes(strokes) if strokes else None), False


@st.fragment
def try_it(stages: list[Endpoint]) -> None:
    left, right = st.columns([5, 8], gap="medium")
    with left, theme.card("canvas"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.subheader("Your digit", anchor=False, width="content")
            st.badge("mouse · touch · pen · keys", icon=":material/touch_app:", color="gray")
        strokes = drawing()
        with st.expander("Or upload a picture", icon=":material/upload_file:"):
            st.file_uploader("A picture of one digit", type=TYPES, key="draw_upload", on_change=take_upload)
        candidate = choose_candidate()
    with left:
        kept = kept_variant()
    with right, shown("Read the picture"):
        seen, inverted = (kept, False) if kept is not None else seen_picture(strokes)
        answers = answer_cards(stages, candidate, seen, true_label(), remark=INVERTED if inverted else "")
        answered = [answer for answer in answers.values() if isinstance(answer, Prediction)]
        seen_card(seen, strokes, answered[0] if answered else None, of_test_set=kept is not None, inverted=inverted)
        request_fold(stages, seen)


theme.header("Draw", "Draw a digit; staging and production answer after every stroke")
with shown("Show the canvas"):
    endpoints = [endpoint for endpoint in map(queries.endpoint, Stage) if endpoint.wanted is not None]
    if not endpoints:
        empty_state_link(
            key="draw_empty",
            icon=":material/draw:",
            title="Nothing is deployed yet",
            sentence="Promote a version to staging; then draw here and see what it answers.",
            page=navigation.PROMOTE.file,
            label="Promote a version",
            link_icon=":material/arrow_forward:",
        )
    else:
        take_kept_picture()
        try_it(endpoints)
        samples_card()
        files_card(endpoints)
        hard_examples_card()
