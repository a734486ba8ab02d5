"""Draw when a stage does not answer as it should: the card says why, the other answers, Retry asks again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from backend.adapters.triton.client import AnswerTimeoutError, TritonClient
from backend.domain.prediction import Answer
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from backend.errors import DigitsError, EndpointUnavailableError
from backend.services.prediction import seen_from_strokes
from tests.fakes.backend import World
from tests.ui.conftest import open_page, texts
from tests.ui.test_draw_page import ONE, drawn
from tests.unit.triton.test_client import ROW, Script

Ask = Callable[[Stage, np.ndarray], Answer]


def serving_both(world: World) -> None:
    world.add_job("job-a")
    world.backend.registration.register_job("job-a", actor=world.backend.actor)
    world.backend.registration.decide(1, Approval.APPROVED, actor=world.backend.actor)
    for stage in Stage:
        world.backend.promotion.promote(stage, 1, actor=world.backend.actor)


@pytest.fixture
def staging(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Ask | None], None]]:
    """Lets staging answer as the test wants; None for well again."""
    serving_both(world)
    well: Ask = world.backend.serving.predict
    mine: list[Ask | None] = [None]

    def predict(stage: Stage, images: np.ndarray) -> Answer:
        return mine[0](stage, images) if mine[0] is not None and stage is Stage.STAGING else well(stage, images)

    monkeypatch.setattr(world.backend.serving, "predict", predict)

    def behave(ask: Ask | None) -> None:
        mine[0] = ask

    yield behave


def failing(error: DigitsError) -> Ask:
    def ask(stage: Stage, images: np.ndarray) -> Answer:
        raise error

    return ask


@pytest.mark.parametrize(
    "error",
    [
        EndpointUnavailableError("'staging' is down. It is starting.", hint="Wait a moment."),
        AnswerTimeoutError("The Triton server at http://127.0.0.1:1 did not answer within 2 s."),
        EndpointUnavailableError("The Triton server at http://127.0.0.1:1 cannot be reached: refused."),
    ],
    ids=["restarting", "slow", "refused"],
)
def test_a_stage_in_trouble_says_why_beside_the_other_and_is_asked_again(
    world: World, staging: Callable[[Ask | None], None], error: DigitsError
) -> None:
    staging(failing(error))
    app = drawn()
    assert "Staging did not answer." in texts(app)
    assert error.message in texts(app)
    assert error.hint in texts(app)
    assert len([metric for metric in app.metric if metric.label == "Digit"]) == 1
    staging(None)
    app.button(key="retry_staging").click().run()
    assert "did not answer" not in texts(app)
    digits = [metric.value for metric in app.metric if metric.label == "Digit"]
    assert len(digits) == 2
    assert digits[0] == digits[1]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (ROW[:, :9], "expected float32 [1, 10]"),
        (ROW * np.nan, "answers with numbers that are not finite"),
        (ROW * 3, "answers with rows that are no probabilities"),
    ],
    ids=["shape", "nan", "sums"],
)
def test_wrong_answers_of_a_server_are_told_and_shown_as_none(
    world: World, staging: Callable[[Ask | None], None], values: np.ndarray, said: str
) -> None:
    server = Script()
    server.answer_inference(values.astype(np.float32))
    client = TritonClient(http_address=f"127.0.0.1:{server.server_port}", grpc_address="127.0.0.1:1")

    def ask(stage: Stage, images: np.ndarray) -> Answer:
        reply = client.infer(images)
        return Answer(probabilities=(tuple(reply.probabilities[0]),), version=reply.version, latency_ms=1.0)

    try:
        staging(ask)
        app = drawn()
        assert said in texts(app)
        assert len([metric for metric in app.metric if metric.label == "Digit"]) == 1
    finally:
        server.shutdown()
        server.server_close()


def test_a_slow_stage_holds_up_no_other(world: World, staging: Callable[[Ask | None], None]) -> None:
    released = threading.Event()

    def ask(stage: Stage, images: np.ndarray) -> Answer:
        assert released.wait(10)
        raise AnswerTimeoutError("The Triton server at http://127.0.0.1:1 did not answer within 2 s.")

    staging(ask)
    answers = world.backend.prediction.answers(list(Stage), seen_from_strokes(ONE))
    begun = time.monotonic()
    first, _ = next(answers)
    assert first is Stage.PROD
    assert time.monotonic() - begun < 5
    released.set()
    second, error = next(answers)
    assert second is Stage.STAGING
    assert isinstance(error, AnswerTimeoutError)


def test_what_nobody_expected_is_not_taken_for_an_answer(world: World, staging: Callable[[Ask | None], None]) -> None:
    def ask(stage: Stage, images: np.ndarray) -> Answer:
        raise ZeroDivisionError

    staging(ask)
    with pytest.raises(ZeroDivisionError):
        list(world.backend.prediction.answers(list(Stage), seen_from_strokes(ONE)))


@pytest.mark.parametrize(
    ("strokes", "said"),
    [
        ([{"width": 20, "points": [[140, 140]]}] * 10_000, "The drawing has 10000 strokes; at most 2000 are taken."),
        ([{"width": 20}], "Stroke 1 has no 'width' and 'points'."),
        ([{"width": 20, "points": [[float("nan"), 1]]}], "expected two finite numbers"),
    ],
    ids=["10,000 strokes", "no points", "nan"],
)
def test_a_drawing_that_is_none_is_told_and_the_next_one_is_answered(
    world: World, strokes: list[object], said: str
) -> None:
    serving_both(world)
    app = open_page("draw")
    app.session_state["strokes"] = strokes
    app.run()
    assert said in texts(app)
    assert not app.metric
    app.session_state["strokes"] = ONE
    app.run()
    assert said not in texts(app)
    assert len([metric for metric in app.metric if metric.label == "Digit"]) == 2


def test_no_stroke_is_an_invitation_and_no_error(world: World) -> None:
    serving_both(world)
    app = open_page("draw")
    assert "What the model sees appears here" in texts(app)
    assert {metric.value for metric in app.metric} == {"–"}
