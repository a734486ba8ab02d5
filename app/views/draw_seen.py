"""What the model saw, what its answer rests on, and the right label with one click."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from app import queries, theme
from app.components.digit_image import digit_image
from app.components.occlusion_map import occlusion_map
from app.context import backend
from app.errors import shown
from app.identity import actor, refusal
from app.state import Key
from backend.domain.identity import Role
from backend.domain.prediction import Prediction
from backend.domain.serving import Stage
from backend.services.prediction import Pixels

INVERTED: Final = "Its ink was dark on a bright ground: it was inverted, for the model knows bright ink on black."


def seen_card(
    seen: Pixels | None, strokes: list[Any], answer: Prediction | None, *, of_test_set: bool, inverted: bool
) -> None:
    """`answer` is the first stage's that answered: the one that is explained and corrected.

    An image of a test set is not corrected: a training that saw it would make every later test of it worthless.
    """
    with theme.card("seen"):
        if seen is None:
            st.caption("What the model sees appears here: your drawing, cropped, scaled and centred to 28 × 28.")
            return
        with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
            digit_image(seen, alt="What the model sees: the digit in white on black, 28 by 28 pixels")
            with st.container(key="draw_correct"):
                st.markdown("**What the model sees** · 28 × 28")
                st.caption(
                    "As the data set has it, bent as you choose."
                    if of_test_set
                    else "Cropped, scaled and centred like the training images."
                )
                if inverted:
                    st.caption(f":material/invert_colors: {INVERTED}")
                if of_test_set:
                    st.caption("It belongs to a test set, so it is not offered as a hard example to train on.")
                elif answer is not None:
                    _labels(seen, strokes, answer)
        if answer is not None and answer.stage is not None:
            _explanation(seen, answer, answer.stage)


def _labels(seen: Pixels, strokes: list[Any], answer: Prediction) -> None:
    st.session_state[Key.ANSWERED] = (answer, seen, strokes)
    reason = refusal(Role.OPERATOR, "correct a label")
    # A new picture has a new key, so that no label is chosen for it yet.
    key = f"draw_label_{hash(seen.tobytes())}"
    st.pills(
        reason or "Which digit did you draw? One click keeps it as a hard example.",
        range(10),
        key=key,
        on_change=_correct,
        args=(key,),
        disabled=bool(reason),
    )
    if st.session_state.pop(Key.CORRECTED, False):
        st.rerun()  # the whole page: the list of the kept ones stands outside of this fragment
    label = st.session_state.get(key)
    if label is not None:
        st.caption(f":green[:material/check_circle:] Kept as a {label}. {len(queries.hard_examples())} in all.")


def _correct(key: str) -> None:
    label = st.session_state[key]
    if label is None:
        return
    answer, seen, strokes = st.session_state[Key.ANSWERED]
    with shown("Keep the drawing"):
        backend().prediction.correct(answer, label, seen, strokes, actor=actor())
        queries.forget_examples()
        st.session_state[Key.CORRECTED] = True


def _explanation(seen: Pixels, answer: Prediction, stage: Stage) -> None:
    """On request: it is a batch of 64, and nobody wants one after every stroke."""
    about = (stage, answer.version, seen.tobytes())
    known = st.session_state.get(Key.EXPLAINED)
    if known is not None and known[0] == about:
        occlusion_map(seen, known[1])
        return
    st.button(
        "What does the answer rest on?",
        key="draw_explain",
        icon=":material/blur_on:",
        type="tertiary",
        help="Covers each part in turn and asks the stage again: 64 pictures in one request.",
        on_click=_explain,
        args=(seen, answer, stage),
    )


def _explain(seen: Pixels, answer: Prediction, stage: Stage) -> None:
    with shown("Explain the answer"):
        found = backend().prediction.explain(stage, seen, answer)
        st.session_state[Key.EXPLAINED] = (stage, answer.version, seen.tobytes()), found
