"""The Draw page's other ways to ask, and what becomes of labelled drawings."""

from __future__ import annotations

import csv
import io

import numpy as np
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.views.draw_files import as_csv
from app.views.draw_seen import INVERTED
from backend.domain.prediction import FileAnswer, Prediction
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from backend.domain.traffic import Span
from tests.fakes.backend import World
from tests.ui.conftest import open_page, texts

ONE = [{"width": 20, "points": [[140, 40], [140, 240]]}]


def serving(world: World) -> None:
    world.add_job("job-a")
    world.backend.registration.register_job("job-a", actor=world.backend.actor)
    world.backend.registration.decide(1, Approval.APPROVED, actor=world.backend.actor)
    world.backend.promotion.promote(Stage.STAGING, 1, actor=world.backend.actor)


def drawn(**params: str) -> AppTest:
    app = open_page("draw", **params)
    app.session_state["strokes"] = ONE
    return app.run()


def test_a_candidate_from_the_address_answers_beside_the_stage(world: World) -> None:
    serving(world)
    world.add_job("job-b", sharpness=3.0)
    world.backend.registration.register_job("job-b", actor=world.backend.actor)
    app = drawn(candidate="2")
    assert "Candidate" in texts(app)
    digits = [metric.value for metric in app.metric if metric.label == "Digit"]
    assert len(digits) == 2
    assert all(digit in "0123456789" for digit in digits)
    app.selectbox(key="draw_candidate").set_value(None).run()
    assert "Candidate" not in texts(app)
    assert "candidate" not in app.query_params


def test_an_unknown_candidate_in_the_address_is_ignored(world: World) -> None:
    serving(world)
    app = drawn(candidate="99")
    assert app.selectbox(key="draw_candidate").value is None


def test_what_is_no_digit_is_refused_with_the_reason_and_nobody_is_asked(world: World) -> None:
    serving(world)
    app = open_page("draw")
    dots = [{"width": 34, "points": [[x, y], [x, y + 10]]} for x in (20, 140, 260) for y in (20, 140, 250)]
    app.session_state["strokes"] = dots
    app.run()
    assert "This is no digit: there are 9 separate shapes." in texts(app)
    assert not app.metric


def test_the_answer_is_explained_on_request_and_again_after_the_next_stroke(world: World) -> None:
    serving(world)
    app = drawn()
    app.button(key="draw_explain").click().run()
    assert any(said in texts(app) for said in ("rests most on the", "No single part decides"))
    app.session_state["strokes"] = [*ONE, {"width": 20, "points": [[140, 40], [90, 90]]}]
    app.run()
    assert "rests most on the" not in texts(app)
    assert app.button(key="draw_explain")


def test_a_kept_drawing_is_removed_and_kept_again(world: World) -> None:
    serving(world)
    app = drawn()
    next(pills for pills in app.pills if str(pills.key).startswith("draw_label_")).set_value(4).run()
    (example,) = world.backend.examples.list_examples()
    app.button(key=f"forget_{example.id}").click().run()
    assert list(world.backend.examples.list_examples()) == []
    assert "The drawing labelled 4 was removed." in texts(app)
    app.button(key="hard_examples_undo").click().run()
    assert list(world.backend.examples.list_examples()) == [example]
    assert "was removed" not in texts(app)


def scan() -> bytes:
    """A 1 in dark ink on white paper."""
    paper = np.full((280, 280), 255, np.uint8)
    paper[40:241, 130:151] = 0
    file = io.BytesIO()
    Image.fromarray(paper).save(file, "PNG")
    return file.getvalue()


def test_a_picture_that_was_inverted_says_so_and_a_drawing_does_not(world: World) -> None:
    serving(world)
    app = open_page("draw")
    app.session_state["upload"] = scan()
    app.run()
    assert INVERTED in texts(app)
    app.session_state["upload"] = None
    app.session_state["strokes"] = ONE
    app.run()
    assert INVERTED not in texts(app)


def test_many_pictures_are_asked_about_once_and_the_inverted_ones_are_told(world: World) -> None:
    serving(world)
    app = open_page("draw")
    app.get_by_key("draw_files").set_value([("scan.png", scan(), "image/png"), ("notes.png", b"no", "image/png")]).run()
    (table,) = [frame.value for frame in app.dataframe]
    assert list(table["note"]) == [
        "inverted: dark ink on bright",
        "The file is not an image that can be read (PNG, JPEG, WebP, ...).",
    ]
    asked = [tally.n for tally in world.backend.tallies.read(Stage.STAGING, Span.HOUR)]
    app.run()
    assert [tally.n for tally in world.backend.tallies.read(Stage.STAGING, Span.HOUR)] == asked == [1]


def test_the_csv_has_a_line_a_file_and_no_formula_for_a_spreadsheet() -> None:
    said = Prediction(label=3, probabilities=(0.1,) * 10, latency_ms=1.0, stage=Stage.PROD, version=7)
    answers = [
        FileAnswer(name="=cmd|x", prediction=said),
        FileAnswer(name='a,"b".png', prediction=None, error="it is no picture"),
        FileAnswer(name="scan.png", prediction=said, inverted=True),
    ]
    header, first, second, third = csv.reader(io.StringIO(as_csv(answers)))
    assert header == ["file", "digit", *(f"p{digit}" for digit in range(10)), "version", "inverted", "error"]
    assert first == ["'=cmd|x", "3", *["0.1"] * 10, "7", "", ""]
    assert second == ['a,"b".png', *[""] * 13, "it is no picture"]
    assert third[-2:] == ["yes", ""]
