"""The labelled drawings seen again: by label and by what was answered, page by page, each with its way out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from app import queries
from app.components.digit_image import digit_image
from app.components.relative_time import exact_utc, relative
from app.components.turning import first_shown
from app.context import backend
from app.errors import shown
from app.identity import actor, refusal
from app.state import Key
from backend.domain.identity import Role
from backend.domain.prediction import HardExample

LABEL, ANSWERED = "examples_label", "examples_answered"
"""The query parameters, which are the widgets' keys too."""
PAGE: Final = 24
"""Drawings shown at once."""
_WRONG, _RIGHT = "Wrong", "Right"


def review(examples: Sequence[HardExample]) -> None:
    """`examples` is all of them, newest first; there is one at least."""
    label, answered = _filter(examples)
    fitting = [example for example in examples if _fits(example, label, answered)]
    if not fitting:
        st.caption("There are none of these.")
        st.button("Show all", key="examples_all", icon=":material/filter_alt_off:", type="tertiary", on_click=_all)
        return
    first = first_shown(
        len(fitting), (label, answered), per_page=PAGE, kept=Key.EXAMPLES_PAGE, key="examples", words=("Newer", "Older")
    )
    _gallery(fitting[first : first + PAGE])


def _filter(examples: Sequence[HardExample]) -> tuple[int | None, str | None]:
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        label = st.segmented_control(
            "Labelled", range(10), key=LABEL, bind="query-params", help="Every label when none is chosen."
        )
        answered = st.segmented_control(
            "Answered", [_WRONG, _RIGHT], key=ANSWERED, bind="query-params", help="All when none is chosen."
        )
        mine = [example for example in examples if _fits(example, label, None)]
        wrong = sum(example.label != example.predicted for example in mine)
        st.caption(f"{wrong:,} wrong, {len(mine) - wrong:,} right.", width="content")
    return label, answered


def _fits(example: HardExample, label: int | None, answered: str | None) -> bool:
    was = _RIGHT if example.label == example.predicted else _WRONG
    return label in (None, example.label) and answered in (None, was)


def _all() -> None:
    st.session_state[LABEL] = st.session_state[ANSWERED] = None


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
