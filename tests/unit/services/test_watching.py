"""What is made of a stage's traffic: the answers that count, the test set they are held against, and idle time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from backend.adapters.local.database import Database
from backend.adapters.local.traffic import LocalTraffic
from backend.adapters.triton.canary import canary_images
from backend.domain.prediction_mix import Shift
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from backend.domain.traffic import Sample, Span
from backend.errors import EndpointUnavailableError
from tests.fakes.backend import World, make_world
from tests.fakes.serving import FakeServing

STAGE = Stage.STAGING


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Version 1 serves at staging, version 2 is approved."""
    world = make_world(tmp_path, FakeServing(tmp_path / "locks"))
    for number in (1, 2):
        world.add_job(f"job-{number}", sharpness=float(number))
        world.backend.registration.register_job(f"job-{number}", actor=world.backend.actor)
        world.backend.registration.decide(number, Approval.APPROVED, actor=world.backend.actor)
    world.backend.promotion.promote(STAGE, 1, actor=world.backend.actor)
    return world


def seen(digit: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.rint(canary_images()[digit, :, :, 0] * 255).astype(np.uint8)


def ask(world: World, digit: int, times: int = 1) -> None:
    for _ in range(times):
        world.backend.prediction.predict(STAGE, seen(digit))


def test_the_mix_is_of_the_version_that_serves_against_its_own_test_set(world: World) -> None:
    ask(world, 3, 5)
    world.backend.promotion.promote(STAGE, 2, actor=world.backend.actor)
    ask(world, 7, 2)
    found = world.backend.watching.answers(STAGE, Span.HOUR)
    assert (found.version, found.answered[7], found.answered[3]) == (2, 2, 0)
    evaluation = world.backend.registry.get(2).evaluation
    assert evaluation is not None
    assert found.tested == tuple(sum(row[digit] for row in evaluation.confusion) for digit in range(10))
    assert sum(found.tested) == evaluation.n
    assert found.drift.shift is Shift.TOO_FEW
    world.backend.serving.delete(STAGE)
    assert world.backend.watching.answers(STAGE, Span.HOUR).version == 2  # who answered last


def test_requests_without_an_answer_are_counted_and_explanations_are_no_traffic(world: World) -> None:
    prediction = world.backend.prediction.predict(STAGE, seen(4))
    world.backend.prediction.explain(STAGE, seen(4), prediction)
    world.backend.serving.suspend(STAGE)
    with pytest.raises(EndpointUnavailableError):
        ask(world, 4)
    found = world.backend.watching.answers(STAGE, Span.HOUR)
    assert (sum(found.answered), found.failed) == (1, 1)


def test_a_stage_is_idle_since_its_last_client_or_its_deployment(world: World) -> None:
    idle = world.backend.watching.idle(STAGE)
    assert idle is not None and idle.since == world.backend.serving.describe(STAGE).since
    assert idle.hourly == 0.0
    asked = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    sample = Sample(at=asked, seconds=60.0, version=1, requests=3, failed=0)
    LocalTraffic(Database(world.home.database)).keep(STAGE, sample)
    idle = world.backend.watching.idle(STAGE)
    assert idle is not None and idle.since == asked
    assert world.backend.watching.idle(Stage.PROD) is None
