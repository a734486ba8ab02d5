from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from backend.domain.prediction import Answer
from backend.domain.registry import Approval
from backend.domain.serving import ServedModel, Stage
from backend.errors import EndpointUnavailableError
from backend.services.staging_look import look_at_staging
from tests.fakes.backend import NOON, make_world
from tests.fakes.serving import FakeServing


@pytest.fixture
def serving(tmp_path: Path) -> FakeServing:
    """Version 1 serves on staging; it reads all known digits."""
    serving = FakeServing(tmp_path / "locks")
    world = make_world(tmp_path, serving)
    world.add_job("job")
    world.backend.registration.register_job("job", actor=world.backend.actor)
    world.backend.registration.decide(1, Approval.APPROVED, actor=world.backend.actor)
    world.backend.promotion.promote(Stage.STAGING, 1, actor=world.backend.actor)
    return serving


def target(serving: FakeServing) -> ServedModel:
    served = serving.describe(Stage.STAGING).served
    assert served is not None
    return served


def answering(serving: FakeServing, monkeypatch: pytest.MonkeyPatch, change: Callable[[int, Answer], Answer]) -> None:
    """From now on `change` makes of the n-th answer (from 0, warming included) what the endpoint says."""
    predict, count = serving.predict, iter(range(10_000))
    monkeypatch.setattr(serving, "predict", lambda stage, images: change(next(count), predict(stage, images)))


def test_every_known_digit_is_asked_by_itself(serving: FakeServing) -> None:
    look = look_at_staging(serving, target(serving), lambda: NOON)
    assert (look.model, look.at) == (target(serving), NOON)
    assert (look.digits, look.asked, look.failed, look.right) == (200, 200, 0, 200)
    assert look.p50_ms is not None
    assert look.p99_ms is not None
    assert 0 < look.p50_ms <= look.p99_ms


def test_the_quantiles_are_those_of_the_answers(serving: FakeServing, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(serving, monkeypatch, lambda n, answer: replace(answer, latency_ms=90.0 if n in (50, 60, 70) else 2.0))
    look = look_at_staging(serving, target(serving), lambda: NOON)
    assert (look.p50_ms, look.p99_ms) == (2.0, 90.0)


def test_what_is_read_wrong_is_counted(serving: FakeServing, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = tuple(1.0 if digit == 7 else 0.0 for digit in range(10))
    answering(serving, monkeypatch, lambda n, answer: replace(answer, probabilities=(wrong,)))
    assert look_at_staging(serving, target(serving), lambda: NOON).right == 20  # the sevens


def test_an_answer_of_another_version_is_none(serving: FakeServing, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(serving, monkeypatch, lambda n, answer: replace(answer, version=9 if n in (10, 11) else 1))
    look = look_at_staging(serving, target(serving), lambda: NOON)
    assert (look.asked, look.failed, look.right) == (200, 2, 198)


def test_an_endpoint_that_fails_is_not_asked_two_hundred_times(
    serving: FakeServing, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def down(stage: Stage, images: object) -> Answer:
        asked.append(1)
        raise EndpointUnavailableError("It is down.")

    monkeypatch.setattr(serving, "predict", down)
    look = look_at_staging(serving, ServedModel(version=1, sha256="f" * 64), lambda: NOON)
    assert (look.asked, look.failed, look.right, look.p99_ms) == (5, 5, 0, None)
    assert len(asked) == 6


def test_a_slow_endpoint_is_asked_for_fifteen_seconds_only(serving: FakeServing) -> None:
    seconds = iter(range(10_000))
    look = look_at_staging(serving, target(serving), lambda: NOON, monotonic=lambda: float(next(seconds)))
    assert (look.digits, look.asked, look.right) == (200, 15, 15)
