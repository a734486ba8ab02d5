"""Draw: a digit by hand or from a file, and what the endpoints say it is."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import navigation, queries, theme
from app.components.digit_canvas import digit_canvas
from app.components.digit_image import digit_image
from app.components.empty_state import empty_state_link
from app.components.error_panel import error_panel
from app.components.probability_bars import percent, probability_bars
from app.components.status_badge import status_badge
from app.context import backend
from app.errors import shown
from app.identity import actor, refusal
from app.state import Key
from app.views.stage_card import TITLES
from backend.domain.identity import Role
from backend.domain.prediction import Prediction
from backend.domain.serving import Endpoint, Stage
from backend.errors import DigitsError
from backend.services.prediction import Pixels, seen_from_file, seen_from_strokes


def drawing() -> list[Any]:
    """The canvas; returns the strokes as they are now."""
    strokes = st.session_state.setdefault(Key.STROKES, [])
    event = digit_canvas(strokes=strokes, revision=st.session_state.setdefault(Key.CANVAS_REVISION, 0))
    if event is not None and event.seq != st.session_state.get(Key.CANVAS_SEQ):
        st.session_state[Key.CANVAS_SEQ] = event.seq
        st.session_state[Key.STROKES] = strokes = event.strokes
        st.session_state[Key.UPLOAD] = None
    return list(strokes)


def take_upload() -> None:
    """An uploaded picture takes the place of the drawing; the canvas is wiped."""
    file = st.session_state["draw_upload"]
    st.session_state[Key.UPLOAD] = None if file is None else file.getvalue()
    if file is not None:
        st.session_state[Key.STROKES] = []
        st.session_state[Key.CANVAS_REVISION] += 1


def seen_picture(strokes: list[Any]) -> Pixels | None:
    """What the model gets to see; None while there is nothing."""
    upload = st.session_state.get(Key.UPLOAD)
    if upload is not None:
        return seen_from_file(upload)
    return seen_from_strokes(strokes) if strokes else None


def ask(stage: Stage, seen: Pixels) -> Prediction | DigitsError:
    try:
        return backend().prediction.predict(stage, seen)
    except DigitsError as error:
        return error


def answer_card(endpoint: Endpoint, answer: Prediction | DigitsError | None) -> None:
    stage = endpoint.stage
    with theme.card(f"answer_{stage.value}"), st.container(key=f"draw_result_{stage.value}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.subheader(TITLES[stage], anchor=False, width="content")
            if isinstance(answer, Prediction):  # what answered, not what was served when the page was opened
                st.badge(f"v{answer.version}", color="blue", icon=":material/inventory_2:")
            elif endpoint.current is not None:
                st.badge(f"v{endpoint.current.version}", color="blue", icon=":material/inventory_2:")
            else:
                status_badge(endpoint.status)
        if isinstance(answer, DigitsError):
            error_panel(
                key=f"answer_{stage.value}",
                what=f"{TITLES[stage]} did not answer.",
                why=answer.message,
                next_step=answer.hint,
            )
            return
        with st.container(horizontal=True, horizontal_alignment="distribute", gap="small"):
            st.metric("Digit", "–" if answer is None else str(answer.label), width="content")
            st.metric("Confidence", "–" if answer is None else percent(max(answer.probabilities)), width="content")
            st.metric("Latency", "–" if answer is None else f"{answer.latency_ms:.1f} ms", width="content")
        probability_bars(None if answer is None else answer.probabilities, key=f"bars_{stage.value}")


def agreement(answers: list[Prediction]) -> None:
    """Whether two stages say the same; nothing while fewer than two have answered."""
    if len(answers) < 2:
        return
    if len({answer.label for answer in answers}) == 1:
        st.badge("The stages agree", icon=":material/done_all:", color="green")
    else:
        st.badge("The stages disagree", icon=":material/call_split:", color="orange")


def seen_card(seen: Pixels | None, strokes: list[Any], answer: Prediction | None) -> None:
    with theme.card("seen"), st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        if seen is None:
            st.caption("What the model sees appears here: your drawing, cropped, scaled and centred to 28 × 28.")
            return
        digit_image(seen, alt="What the model sees: the digit in white on black, 28 by 28 pixels")
        with st.container(key="draw_correct"):
            st.markdown("**What the model sees** · 28 × 28")
            st.caption("Cropped, scaled and centred like the training images.")
            if answer is None:
                return
            st.session_state[Key.ANSWERED] = (answer, seen, strokes)
            reason = refusal(Role.OPERATOR, "correct a label")
            # A new picture has a new key, so that no label is chosen for it yet.
            key = f"draw_label_{hash(seen.tobytes())}"
            st.pills(
                reason or "Which digit did you draw? One click keeps it as a hard example.",
                range(10),
                key=key,
                on_change=correct,
                args=(key,),
                disabled=bool(reason),
            )
            label = st.session_state.get(key)
            if label is not None:
                st.caption(f":green[:material/check_circle:] Kept as a {label}. {len(queries.hard_examples())} in all.")


def correct(key: str) -> None:
    label = st.session_state[key]
    if label is None:
        return
    answer, seen, strokes = st.session_state[Key.ANSWERED]
    with shown("Keep the drawing"):
        backend().prediction.correct(answer, label, seen, strokes, actor=actor())
        queries.hard_examples.clear()


@st.fragment
def try_it(stages: list[Endpoint]) -> None:
    left, right = st.columns([5, 8], gap="medium")
    with left, theme.card("canvas"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.subheader("Your digit", anchor=False, width="content")
            st.badge("mouse · touch · pen", icon=":material/touch_app:", color="gray")
        strokes = drawing()
        with st.expander("Or upload a picture", icon=":material/upload_file:"):
            st.file_uploader(
                "A picture of one digit",
                type=["png", "jpg", "jpeg", "bmp", "gif", "webp"],
                key="draw_upload",
                on_change=take_upload,
            )
    with right, shown("Read the picture"):
        seen = seen_picture(strokes)
        answers = {endpoint.stage: ask(endpoint.stage, seen) if seen is not None else None for endpoint in stages}
        for column, endpoint in zip(st.columns(len(stages), gap="medium"), stages, strict=True):
            with column:
                answer_card(endpoint, answers[endpoint.stage])
        answered = [answer for answer in answers.values() if isinstance(answer, Prediction)]
        agreement(answered)
        seen_card(seen, strokes, answered[0] if answered else None)


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
        try_it(endpoints)
