from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.domain.identity import Actor, Role
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from backend.errors import EndpointUnavailableError, InvalidInputError
from backend.services.prediction import seen_from_file, seen_from_strokes
from tests.fakes.backend import World, make_world
from tests.fakes.serving import FakeServing

ADA = Actor(name="ada", role=Role.APPROVER)
ONE = [{"width": 20, "points": [[140, 40], [140, 240]]}]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))
    world.add_job("done")
    world.backend.registration.register_job("done", actor=ADA)
    world.backend.registration.decide(1, Approval.APPROVED, actor=ADA)
    world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA)
    return world


def test_the_answer_names_the_digit_and_who_said_it(world: World) -> None:
    prediction = world.backend.prediction.predict(Stage.STAGING, seen_from_strokes(ONE))
    assert prediction.label == int(np.argmax(prediction.probabilities))
    assert sum(prediction.probabilities) == pytest.approx(1, abs=1e-4)
    assert (prediction.stage, prediction.version) == (Stage.STAGING, 1)


def test_a_stage_without_a_model_says_so(world: World) -> None:
    with pytest.raises(EndpointUnavailableError):
        world.backend.prediction.predict(Stage.PROD, seen_from_strokes(ONE))


@pytest.mark.parametrize("strokes", [[], "nonsense", [{"width": 20}], [{"width": 20, "points": [["a", 1]]}]])
def test_a_drawing_that_is_none_is_refused(strokes: object) -> None:
    with pytest.raises(InvalidInputError):
        seen_from_strokes(strokes)


def test_a_drawing_and_a_picture_of_it_are_seen_alike() -> None:
    picture = np.full((280, 280), 255, np.uint8)
    picture[40:241, 130:151] = 0
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    drawn, uploaded = seen_from_strokes(ONE).astype(int), seen_from_file(file.getvalue()).astype(int)
    assert np.abs(drawn - uploaded).mean() < 6


@pytest.mark.parametrize("content", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PNG\r\n\x1a\n broken"])
def test_a_file_that_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInputError):
        seen_from_file(content)


def test_a_correction_is_kept_once_with_what_was_said(world: World) -> None:
    seen = seen_from_strokes(ONE)
    prediction = world.backend.prediction.predict(Stage.STAGING, seen)
    for _ in range(2):
        world.backend.prediction.correct(prediction, 1, seen, ONE, actor=ADA)
    (example,) = world.backend.examples.list_examples()
    assert (example.label, example.predicted, example.version, example.by) == (1, prediction.label, 1, "ada")
    assert np.array_equal(np.frombuffer(example.pixels, np.uint8).reshape(28, 28), seen)
    assert '"width": 20' in example.strokes
    world.backend.prediction.correct(prediction, 7, seen, ONE, actor=ADA)
    assert len(world.backend.examples.list_examples()) == 2


def test_a_label_is_a_digit(world: World) -> None:
    seen = seen_from_strokes(ONE)
    prediction = world.backend.prediction.predict(Stage.STAGING, seen)
    with pytest.raises(InvalidInputError, match="The label is 10"):
        world.backend.prediction.correct(prediction, 10, seen, ONE, actor=ADA)
