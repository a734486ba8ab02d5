"""Empty states, errors and the confirmation dialog."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from app.components.confirm import Once
from backend.errors import StageBusyError


def _empty() -> None:
    import streamlit as st

    from app.components.empty_state import empty_state

    if empty_state(
        key="launch_first",
        icon=":material/rocket_launch:",
        title="No jobs yet",
        sentence="A training takes about a minute.",
        action="Launch the first training",
    ):
        st.text("launched")


def test_an_empty_state_offers_its_first_action() -> None:
    at = AppTest.from_function(_empty).run()
    assert at.text[0].value == "No jobs yet"
    assert at.caption[0].value == "A training takes about a minute."
    assert at.button(key="launch_first").label == "Launch the first training"
    at.button(key="launch_first").click().run()
    assert at.text[-1].value == "launched"


def _no_action() -> None:
    from app.components.empty_state import empty_state

    empty_state(key="none", icon=":material/inbox:", title="Nothing", sentence="Nothing to do here.")


def test_an_empty_state_without_action_has_no_button() -> None:
    at = AppTest.from_function(_no_action).run()
    assert not at.exception
    assert not at.button


def _error() -> None:
    from app.components.error_panel import error_panel

    error_panel(
        key="x",
        what="Staging does not answer: ![x](http://elsewhere/x.png)",
        why="<b>refused</b>",
        next_step="Start it again.",
        command="python -m backend endpoints",
        reference="7f31c2d4",
    )


def test_an_error_says_what_why_next_and_reference_as_plain_text() -> None:
    at = AppTest.from_function(_error).run()
    assert [text.value for text in at.text] == [
        "Staging does not answer: ![x](http://elsewhere/x.png)",
        "<b>refused</b>",
        "Start it again.",
        "Reference 7f31c2d4 (also in the log)",
    ]
    assert at.code[0].value == "python -m backend endpoints"
    assert not any("elsewhere" in text.value for text in at.markdown)


def _confirm() -> None:
    import streamlit as st

    from app.components.confirm import confirm

    done = st.session_state.setdefault("done", [])

    def apply() -> None:
        done.append("applied")

    if st.button("Promote", key="open"):
        confirm(
            question="Promote v14 to staging?",
            verb="Promote v14",
            consequences=["Staging serves v13 now.", "*It* will serve v14."],
            apply=apply,
        )


def test_the_dialog_asks_and_its_button_repeats_the_verb() -> None:
    at = AppTest.from_function(_confirm).run()
    assert not at.session_state["done"]
    at.button(key="open").click().run()
    assert not at.exception
    assert [text.value for text in at.text] == ["Staging serves v13 now.", "*It* will serve v14."]
    assert at.button(key="confirm_apply").label == "Promote v14"
    assert at.button(key="confirm_cancel").label == "Cancel"
    assert at.session_state["done"] == []


def test_confirming_applies_once_and_closes() -> None:
    at = AppTest.from_function(_confirm).run()
    at.button(key="open").click().run()
    at.button(key="confirm_apply").click().run()
    assert not at.exception
    assert at.session_state["done"] == ["applied"]
    at.run()
    assert at.session_state["done"] == ["applied"]


def test_cancelling_applies_nothing() -> None:
    at = AppTest.from_function(_confirm).run()
    at.button(key="open").click().run()
    at.button(key="confirm_cancel").click().run()
    assert at.session_state["done"] == []


def _typed() -> None:
    import streamlit as st

    from app.components.confirm import confirm

    done = st.session_state.setdefault("done", [])
    confirm(question="Delete it?", verb="Delete", consequences=[], apply=lambda: done.append(1), must_type="prod")


def test_what_must_be_typed_is_compared_whole() -> None:
    at = AppTest.from_function(_typed).run()
    for typed in ("", "pro", "prod ", "Prod"):
        at.text_input(key="confirm_typed").set_value(typed).run()
        assert at.button(key="confirm_apply").disabled, typed
    at.text_input(key="confirm_typed").set_value("prod").run()
    at.button(key="confirm_apply").click().run()
    assert at.session_state["done"] == [1]


def test_a_second_click_cannot_apply_again() -> None:
    once = Once()
    applied: list[str] = []

    def apply() -> None:
        applied.append("applied")
        once.run(apply)  # the second click of a double click, while the first is at work

    once.run(apply)
    once.run(apply)  # a click that comes late
    assert applied == ["applied"]


def test_a_refusal_is_kept_to_be_shown_and_is_not_tried_again() -> None:
    once = Once()
    tried: list[str] = []

    def refused() -> None:
        tried.append("tried")
        raise StageBusyError("Staging is busy.", hint="Wait.")

    once.run(refused)
    once.run(refused)
    assert tried == ["tried"]
    assert once.error is not None
    assert (once.error.message, once.error.hint) == ("Staging is busy.", "Wait.")
