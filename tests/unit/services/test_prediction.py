from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.domain.identity import Actor, Role
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from backend.errors import (
    EndpointUnavailableError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    WrongStateError,
)
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
    drawn, uploaded = seen_from_strokes(ONE).astype(int), seen_from_file(file.getvalue()).pixels.astype(int)
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
    (example,) = world.backend.examples.list_examples()
    assert example.label == 7, "a picture has one label: the last that it was given"


def test_a_label_is_a_digit(world: World) -> None:
    seen = seen_from_strokes(ONE)
    prediction = world.backend.prediction.predict(Stage.STAGING, seen)
    with pytest.raises(InvalidInputError, match="The label is 10"):
        world.backend.prediction.correct(prediction, 10, seen, ONE, actor=ADA)


def picture(digit_at: int = 130) -> bytes:
    drawn = np.zeros((280, 280), np.uint8)
    drawn[40:241, digit_at : digit_at + 21] = 255
    file = io.BytesIO()
    Image.fromarray(drawn).save(file, "PNG")
    return file.getvalue()


class TestManyFiles:
    def test_each_has_its_answer_or_its_reason_in_order(self, world: World) -> None:
        files = [("a.png", picture()), ("notes.txt", b"no picture"), ("b.png", picture())]
        answers = world.backend.prediction.predict_files(Stage.STAGING, files)
        alone = world.backend.prediction.predict(Stage.STAGING, seen_from_file(picture()).pixels)
        assert [answer.name for answer in answers] == ["a.png", "notes.txt", "b.png"]
        assert [answer.prediction and answer.prediction.label for answer in answers] == [alone.label, None, alone.label]
        assert [bool(answer.error) for answer in answers] == [False, True, False]

    def test_more_than_a_request_holds_are_asked_in_several(self, world: World) -> None:
        files = [(f"{number}.png", picture()) for number in range(70)]
        answers = world.backend.prediction.predict_files(Stage.STAGING, files)
        assert len({answer.prediction.label for answer in answers if answer.prediction}) == 1
        assert all(answer.prediction for answer in answers)

    def test_none_is_asked_when_none_is_a_picture(self, world: World) -> None:
        world.backend.serving.suspend(Stage.STAGING)
        (answer,) = world.backend.prediction.predict_files(Stage.STAGING, [("x", b"")])
        assert answer.error

    def test_too_many_are_refused(self, world: World) -> None:
        with pytest.raises(InvalidInputError, match=r"There are 1,001 files; at most 1,000"):
            world.backend.prediction.predict_files(Stage.STAGING, [("x", b"")] * 1_001)


class TestExplaining:
    def test_covering_what_the_answer_rests_on_costs_confidence(self, world: World) -> None:
        seen = seen_from_strokes(ONE)
        prediction = world.backend.prediction.predict(Stage.STAGING, seen)
        found = world.backend.prediction.explain(Stage.STAGING, seen, prediction)
        assert (found.label, found.version) == (prediction.label, 1)
        assert np.array(found.drops).shape == (28, 28)
        assert np.abs(np.array(found.drops)).max() > 0

    def test_another_version_does_not_explain_the_first_ones_answer(self, world: World) -> None:
        seen = seen_from_strokes(ONE)
        prediction = world.backend.prediction.predict(Stage.STAGING, seen)
        world.add_job("next", sharpness=2.0)
        world.backend.registration.register_job("next", actor=ADA)
        world.backend.registration.decide(2, Approval.APPROVED, actor=ADA)
        world.backend.promotion.promote(Stage.STAGING, 2, actor=ADA)
        with pytest.raises(WrongStateError, match="serves v2 now; the answer to explain is v1's"):
            world.backend.prediction.explain(Stage.STAGING, seen, prediction)


class TestTakingBack:
    def test_a_removed_example_is_gone_and_kept_again_as_it_was(self, world: World) -> None:
        service, seen = world.backend.prediction, seen_from_strokes(ONE)
        kept = service.correct(service.predict(Stage.STAGING, seen), 1, seen, ONE, actor=ADA)
        assert service.remove_example(kept.id, actor=ADA) == kept
        assert list(world.backend.examples.list_examples()) == []
        service.keep_again(kept, actor=ADA)
        assert list(world.backend.examples.list_examples()) == [kept]
        assert [event.action for event in world.backend.audit.list_events()][:3] == ["correct", "forget", "correct"]

    def test_removing_what_is_not_there_is_said_and_recorded(self, world: World) -> None:
        with pytest.raises(NotFoundError, match="No hard example 'abc'"):
            world.backend.prediction.remove_example("abc", actor=ADA)
        assert next(iter(world.backend.audit.list_events())).action == "forget"

    def test_a_viewer_may_not(self, world: World) -> None:
        with pytest.raises(PermissionDeniedError):
            world.backend.prediction.remove_example("abc", actor=Actor(name="eve", role=Role.VIEWER))
