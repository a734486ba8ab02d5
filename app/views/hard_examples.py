"""The drawings that people labelled: seen again, taken back, carried away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from app import navigation, queries, theme
from app.components.digit_image import digit_image
from app.components.relative_time import exact_utc, relative
from app.context import backend
from app.errors import shown
from app.identity import actor, refusal
from app.state import Key
from app.views.example_sets import keep_control, sets_table
from backend.domain.identity import Role
from backend.domain.prediction import HardExample
from backend.services.labelled_drawings import FILE_NAME, pack

SHOWN = 24


@st.fragment
def hard_examples_card() -> None:
    examples = queries.hard_examples()
    with theme.card("hard_examples"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.subheader("Hard examples", anchor=False, width="content")
            if examples:
                drawings = pack(examples)
                st.badge(f"set {drawings.sha256[:8]} · {drawings.count}", color="gray", icon=":material/dataset:")
        _undo()
        if not examples:
            sets_table()
            st.caption("A label that you click above keeps the drawing here, for training and as a test of promotions.")
            return
        wrong = sum(example.label != example.predicted for example in examples)
        st.caption(
            f"{wrong} of them were answered wrong. The set's name is its content's: a training that mixes them in "
            "records which set it saw."
        )
        _gallery(examples[:SHOWN])
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.download_button(
                "Download all",
                drawings.content,
                FILE_NAME,
                icon=":material/download:",
                help="An .npz of images, labels and what was predicted: `python -m backend hard-examples export FILE`.",
            )
            names = {kept.sha256: kept.name for kept in queries.example_sets()}
            keep_control(names.get(drawings.sha256, ""))
            st.page_link(navigation.LAUNCH.file, label="Train with them", icon=":material/rocket_launch:")
            if len(examples) > SHOWN:
                st.caption(f"The newest {SHOWN} of {len(examples)} are shown.")
        sets_table()


def _gallery(examples: Sequence[HardExample]) -> None:
    reason = refusal(Role.OPERATOR, "remove a hard example")
    with st.container(horizontal=True, gap="small", key="hard_examples_gallery"):
        for example in examples:
            with st.container(width=104, gap=None, key=f"hard_example_{example.id}"):
                digit_image(example.pixels, alt=f"A drawing labelled {example.label}", width=84)
                verdict = "right" if example.label == example.predicted else f"not {example.predicted}"
                st.markdown(f"**{example.label}** · {verdict}")
                st.caption(relative(example.at, datetime.now(UTC)), help=f"by {example.by}, {exact_utc(example.at)}")
                st.button(
                    "Remove",
                    key=f"forget_{example.id}",
                    type="tertiary",
                    on_click=_forget,
                    args=(example.id,),
                    disabled=bool(reason),
                    help=reason or None,
                )


def _forget(example_id: str) -> None:
    with shown("Remove the drawing"):
        st.session_state[Key.FORGOTTEN] = backend().prediction.remove_example(example_id, actor=actor())
        queries.forget_examples()


def _undo() -> None:
    gone = st.session_state.get(Key.FORGOTTEN)
    if gone is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"The drawing labelled {gone.label} was removed.")
        st.button("Undo", key="hard_examples_undo", type="tertiary", icon=":material/undo:", on_click=_keep_again)


def _keep_again() -> None:
    with shown("Keep the drawing again"):
        backend().prediction.keep_again(st.session_state.pop(Key.FORGOTTEN), actor=actor())
        queries.forget_examples()
