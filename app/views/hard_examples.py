"""The drawings that people labelled: seen again, taken back, carried away."""

from __future__ import annotations

from typing import Final

import streamlit as st

from app import navigation, queries, theme
from app.components.command_line import command_line
from app.context import backend
from app.errors import shown
from app.identity import actor
from app.state import Key
from app.views.example_review import review
from app.views.example_sets import keep_control, sets_table
from backend.services.labelled_drawings import FILE_NAME, pack

_COMMANDS: Final = "\n".join(
    f"python -m backend hard-examples {verb}"
    for verb in ("add digit.png --stage staging --label 7", "list", "remove ID", f"export {FILE_NAME}")
)


@st.fragment
def hard_examples_card() -> None:
    examples = queries.hard_examples()
    with theme.card("hard_examples"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.subheader("Hard examples", anchor=False, width="content")
            if examples:
                drawings = pack(examples)
                st.badge(f"set {drawings.sha256[:8]} · {drawings.count:,}", color="gray", icon=":material/dataset:")
        _undo()
        if not examples:
            sets_table()
            st.caption("A label that you click above keeps the drawing here, for training and as a test of promotions.")
            return
        wrong = sum(example.label != example.predicted for example in examples)
        st.caption(
            f"{wrong:,} of them were answered wrong. The set's name is its content's: a training that mixes them in "
            "records which set it saw."
        )
        review(examples)
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
        command_line(_COMMANDS)
        sets_table()


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
