"""The canvas, the bars, the picture of what the model sees."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.components.digit_canvas import parse_event
from app.components.digit_image import enlarged
from app.components.probability_bars import describe, percent, probability_bars
from backend.errors import InvalidInputError


def _canvas() -> None:
    import streamlit as st

    from app.components.digit_canvas import digit_canvas

    event = digit_canvas(strokes=st.session_state.get("kept", []), revision=3)
    st.text("nothing" if event is None else f"{event.seq} {event.strokes}")


def test_the_canvas_is_silent_until_something_is_drawn() -> None:
    at = AppTest.from_function(_canvas).run()
    assert not at.exception
    assert at.text[0].value == "nothing"


def test_the_canvas_gives_what_the_browser_sent() -> None:
    at = AppTest.from_function(_canvas)
    strokes = [{"width": 20, "points": [[1, 2], [3, 4.5]]}]
    at.session_state["digit_canvas"] = {"drawing": {"strokes": strokes, "seq": 17}}
    assert at.run().text[0].value == f"17 {strokes}"


@pytest.mark.parametrize("sent", ["strokes", 7, [], {"strokes": "x", "seq": 1}, {"strokes": []}])
def test_what_is_no_drawing_is_refused(sent: object) -> None:
    with pytest.raises(InvalidInputError, match="sent no drawing"):
        parse_event(sent)


def test_the_canvas_is_told_what_to_show_and_keeps_its_key() -> None:
    at = AppTest.from_function(_canvas)
    at.session_state["kept"] = [{"width": 12, "points": [[0, 0]]}]
    (canvas,) = at.run().get("bidi_component")
    assert canvas.proto.component_name == "digit_canvas"
    assert '"width": 12' in canvas.proto.json
    assert '"revision": 3' in canvas.proto.json
    assert "st-key-draw_undo" in canvas.proto.html_content
    assert "st-key-draw_clear" in canvas.proto.html_content
    assert canvas.proto.isolate_styles is False


def _bars() -> None:
    from app.components.probability_bars import probability_bars

    probability_bars([0.0, 0.0, 0.0, 0.29, 0.0, 0.0, 0.0, 0.0, 0.7, 0.01], key="bars")
    probability_bars(None, key="empty")


def test_bars_highlight_the_most_probable_digit_and_have_words() -> None:
    at = AppTest.from_function(_bars).run()
    assert not at.exception
    asked, empty = at.get("bidi_component")
    assert '"best": 8' in asked.proto.json
    assert '"alt": "Probabilities: 8 70.0 %, 3 29.0 %, 9 1.0 %"' in asked.proto.json
    assert '"best": null' in empty.proto.json


def test_bars_are_ten() -> None:
    with pytest.raises(ValueError, match="expected 10, got 9"):
        probability_bars([0.1] * 9, key="bars")


@pytest.mark.parametrize(
    ("share", "told"),
    [(0.0, "0.0 %"), (0.0004, "<0.1 %"), (0.396, "39.6 %"), (0.99951, "99.95 %"), (0.999999, "99.99 %"), (1, "100 %")],
)
def test_a_probability_is_never_rounded_to_a_certainty(share: float, told: str) -> None:
    assert percent(share) == told


def test_bars_in_words_without_an_answer() -> None:
    assert "nothing asked yet" in describe(None)


def test_a_digit_image_is_enlarged_to_whole_pixels() -> None:
    pixels = np.arange(784, dtype=np.uint32).astype(np.uint8).reshape(28, 28)
    image = np.asarray(enlarged(pixels, width=112))
    assert image.shape == (224, 224)
    assert (image[::8, ::8] == pixels).all()
    assert len(np.unique(image[:8, 8:16])) == 1
    assert (np.asarray(enlarged(pixels.tobytes(), width=112)) == image).all()


@pytest.mark.parametrize("wrong", [np.zeros((28, 28), dtype=np.float32), np.zeros((8, 8), dtype=np.uint8), b"short"])
def test_a_digit_image_of_another_shape_or_type_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="28 x 28 uint8"):
        enlarged(wrong, width=112)
