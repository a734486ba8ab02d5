"""A real stage over time: its runner samples it with no page open, and takes it down when its time is over."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from backend.adapters.local import endpoints
from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.local.processes import is_held
from backend.adapters.triton.canary import canary_images
from backend.adapters.triton.load import TritonLoad
from backend.domain.lifetimes import NO_LIMIT
from backend.domain.promotion import Outcome
from backend.domain.registry import Approval
from backend.domain.serving import EndpointStatus, Stage
from backend.domain.traffic import Span
from tests.contract.serving_platforms import SERVING_ENV
from tests.contract.training_platforms import wait_until
from tests.fakes.backend import World, make_world

pytestmark = pytest.mark.triton

STAGE = Stage.STAGING
SAMPLE_S = 4.0
_RUNNER = f"""
from backend.adapters.local import endpoint_runner, endpoint_sampler
endpoint_sampler.SAMPLE_S = {SAMPLE_S}
import sys
endpoint_runner.main(sys.argv[1:])
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Version 1 serves at staging; the runner is the real one, but that its minute has four seconds."""
    spawn = endpoints.spawn_detached

    def spawned(command: list[str], **given: object) -> subprocess.Popen[bytes] | None:
        where = command.index("-m")
        return spawn([sys.executable, "-c", _RUNNER, *command[where + 2 :]], **given)  # type: ignore[arg-type, return-value, func-returns-value]

    monkeypatch.setattr(endpoints, "spawn_detached", spawned)
    world = make_world(tmp_path, LocalEndpoints(tmp_path, SERVING_ENV), TritonLoad())
    actor = world.backend.actor
    world.add_job("job-1")
    world.backend.registration.register_job("job-1", actor=actor)
    world.backend.registration.decide(1, Approval.APPROVED, actor=actor)
    assert world.backend.promotion.promote(STAGE, 1, actor=actor).outcome is Outcome.SUCCEEDED
    yield world
    world.backend.serving.delete(STAGE)


def test_what_clients_asked_is_sampled_without_the_supervisors_own_and_survives_the_runner(world: World) -> None:
    backend = world.backend
    wait_until(lambda: len(backend.traffic.samples(STAGE, Span.HOUR)) > 0, 60)
    pixels = np.rint(canary_images()[7, :, :, 0] * 255).astype(np.uint8)

    def asked() -> int:
        return sum(sample.requests for sample in backend.traffic.samples(STAGE, Span.HOUR))

    # What the deployment's own probes asked has been sampled; from here on only the supervisor asks, and we do.
    quiet_since = [asked(), -1]
    while quiet_since[0] != quiet_since[1]:
        done = datetime.now(UTC) + timedelta(seconds=2 * SAMPLE_S)
        wait_until(lambda: datetime.now(UTC) > done, 60)  # noqa: B023
        quiet_since = [asked(), quiet_since[0]]
    for _ in range(40):
        backend.prediction.predict(STAGE, pixels)
    wait_until(lambda: asked() >= quiet_since[0] + 40, 60)
    assert asked() == quiet_since[0] + 40
    newest = backend.traffic.samples(STAGE, Span.HOUR)[-1]
    assert newest.p50_ms is not None and newest.memory is not None and 0 < newest.memory < 1
    last = backend.traffic.last_request(STAGE)
    assert last is not None and datetime.now(UTC) - last < timedelta(minutes=1)

    before = asked()
    backend.serving.suspend(STAGE)
    assert asked() == before
    backend.serving.resume(STAGE)
    wait_until(lambda: backend.serving.describe(STAGE).status is EndpointStatus.IN_SERVICE, 60)
    assert asked() >= before


def test_a_stage_whose_time_is_over_goes_down_by_itself_and_comes_back_with_a_promotion(world: World) -> None:
    backend, actor = world.backend, world.backend.actor
    folder = EndpointFolder(world.home.root, STAGE)
    until = backend.expiry.extend(STAGE, 3 / 3600, actor=actor).until
    assert until is not None
    wait_until(lambda: backend.serving.describe(STAGE).status is EndpointStatus.NOT_DEPLOYED, 60)
    wait_until(lambda: not is_held(folder.lock), 60)
    event = backend.audit.list_events()[0]
    assert (event.actor, event.action, event.subject, event.outcome) == (
        "time to live",
        "expire",
        "stage staging",
        "done",
    )
    taken = backend.lifetimes.read(STAGE).taken_down_at
    assert taken is not None and timedelta(0) <= taken - until < timedelta(seconds=15)
    assert list(folder.repository.root.iterdir()) == []
    assert backend.promotion.promote(STAGE, 1, actor=actor).outcome is Outcome.SUCCEEDED
    assert backend.lifetimes.read(STAGE) == NO_LIMIT
    assert backend.serving.describe(STAGE).status is EndpointStatus.IN_SERVICE
