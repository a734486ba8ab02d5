"""The dialog before an effect: its title asks, its button repeats the verb, and no second click can do it twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import streamlit as st

from app.components.error_panel import error_panel
from backend.domain.gates import LONGEST_REASON
from backend.errors import DigitsError


@dataclass(kw_only=True)
class Once:
    """An effect that happens at most once."""

    phase: Literal["open", "started", "done"] = "open"
    error: DigitsError | None = None

    def run(self, apply: Callable[[], None]) -> None:
        """Call `apply`, or nothing if it was called before. A `DigitsError` is kept in `error`."""
        if self.phase != "open":
            return
        self.phase = "started"
        try:
            apply()
        except DigitsError as error:
            self.error = error
        self.phase = "done"


def confirm(
    *,
    question: str,
    verb: str,
    consequences: Sequence[str],
    apply: Callable[[], None],
    icon: str | None = None,
    details: Callable[[], None] | None = None,
    must_type: str = "",
    other_verb: str = "",
    other_apply: Callable[[], None] | None = None,
    explain: Callable[[str], None] | None = None,
    shortest: int = 0,
) -> None:
    """Ask `question` ("Promote v14 to staging?") and, on the button `verb` ("Promote v14"), call `apply` once.

    Call it in the run in which the button that leads here was clicked. `consequences` are sentences shown as they
    are; `details` may show more (a diff, gates); with `must_type`, the button waits until that was typed. `apply` must
    be quick: long work belongs to an operation that it starts. When it returns, the dialog closes and the page runs
    again; a `DigitsError` is shown in the dialog. `other_verb` is a second way to do it, that calls `other_apply`:
    whichever button is first, the effect happens once. With `explain`, the button waits for a reason of at least
    `shortest` characters, and `explain` is called with it in place of `apply`.
    """
    other = (other_verb, other_apply) if other_verb and other_apply else None
    reasoned = (explain, shortest) if explain else None
    st.dialog(question, icon=icon)(_body)(Once(), verb, consequences, apply, details, must_type, other, reasoned)


def _body(
    once: Once,
    verb: str,
    consequences: Sequence[str],
    apply: Callable[[], None],
    details: Callable[[], None] | None,
    must_type: str,
    other: tuple[str, Callable[[], None]] | None,
    reasoned: tuple[Callable[[str], None], int] | None,
) -> None:
    for sentence in consequences:
        with st.container(horizontal=True, wrap=False, gap="small"):
            st.markdown(":gray[:material/chevron_right:]", width="content")
            st.text(sentence, width="stretch")
    if details is not None:
        details()
    # Compared here, not in the browser; Streamlit refuses the click of a button that was drawn disabled.
    typed = not must_type or must_type == st.text_input(f"Type {must_type} to confirm", key="confirm_typed", live=True)
    if reasoned is not None:
        explain, shortest = reasoned
        label = f"Why all the same? At least {shortest} characters; kept with the deployment"
        reason = st.text_input(label, key="confirm_reason", live=True, max_chars=LONGEST_REASON).strip()
        typed = typed and len(reason) >= shortest
        apply = partial(explain, reason)
    if once.error is not None:
        error_panel(key="confirm", what=once.error.message, next_step=once.error.hint)
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Cancel" if once.error is None else "Close", key="confirm_cancel"):
            st.rerun()
        if other is not None:
            st.button(other[0], key="confirm_other", disabled=once.phase != "open", on_click=once.run, args=(other[1],))
        st.button(
            verb,
            key="confirm_apply",
            type="primary",
            disabled=once.phase != "open" or not typed,
            on_click=once.run,
            args=(apply,),
        )
    if once.phase == "done" and once.error is None:
        st.rerun()
