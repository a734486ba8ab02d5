"""Somebody loads past the deployments into the real Triton: the guard sees it, tells it, and both ways out work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import backend.cli as cli
from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.triton.load import TritonLoad
from backend.domain.audit import AuditEvent, AuditFilter
from backend.domain.drift import DRIFTED, IN_STEP, told
from backend.domain.promotion import DeploymentKind, Outcome
from backend.domain.registry import Approval
from backend.domain.serving import EndpointStatus, ServedModel, Stage
from tests.contract.meddling import Meddler
from tests.contract.serving_platforms import SERVING_ENV
from tests.fakes.backend import World, make_world

pytestmark = pytest.mark.triton

STAGE = Stage.PROD


def load_version(world: World, number: int) -> None:
    """By somebody who knows how, and asks nobody."""
    version = world.backend.registry.get(number)
    model = ServedModel(version=number, sha256=version.sha256)
    Meddler(world.home.root, STAGE).load(model, world.backend.registry.fetch_archive(version))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Prod serves version 1; version 2 is approved, 3 waits for it."""
    serving = LocalEndpoints(tmp_path, SERVING_ENV)
    world = make_world(tmp_path, serving, TritonLoad())
    for number in (1, 2, 3):
        world.add_job(f"job-{number}", sharpness=number)
        world.backend.registration.register_job(f"job-{number}", actor=world.backend.actor)
    for number in (1, 2):
        world.backend.registration.decide(number, Approval.APPROVED, actor=world.backend.actor)
    try:
        done = world.backend.promotion.promote(STAGE, 1, actor=world.backend.actor)
        assert (done.outcome, done.error) == (Outcome.SUCCEEDED, "")
        assert world.backend.guard.look(STAGE).is_well
        yield world
    finally:
        serving.delete(STAGE)


def noticed(world: World) -> list[AuditEvent]:
    return list(world.backend.audit.list_events(AuditFilter(actions=("drift",))))


def wait_for(condition: Callable[[], object], seconds: float = 8.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_another_version_is_seen_at_once_recorded_by_the_runner_and_restored(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load_version(world, 2)

    endpoint = world.backend.serving.describe(STAGE)
    assert endpoint.status is EndpointStatus.IN_SERVICE
    assert endpoint.served is not None
    assert [difference.what for difference in endpoint.drift] == ["version", "archive", "model file"]
    wait_for(lambda: noticed(world))
    time.sleep(2.5)  # another beat of the runner: it leaves what it saw to a person
    assert world.backend.serving.describe(STAGE).served == endpoint.served
    look = world.backend.guard.look(STAGE)
    assert look.noticed is not None
    assert (look.noticed.outcome, look.noticed.after["version"]) == (DRIFTED, 2)
    assert look.wanted_by is not None
    monkeypatch.setattr(cli, "connect", lambda _: world.backend)
    assert cli.main(["guard"]) == 1
    assert "version: should be 1, is 2" in capsys.readouterr().out

    done = world.backend.guard.restore(STAGE, actor=world.backend.actor)

    assert (done.outcome, done.kind, done.version) == (Outcome.SUCCEEDED, DeploymentKind.RESTORE, 1)
    assert done.probe is not None
    assert (done.probe.failed, done.probe.versions) == (0, (2, 1))
    assert world.backend.guard.look(STAGE).is_well
    assert cli.main(["guard"]) == 0
    wait_for(lambda: [event.outcome for event in noticed(world)] == [IN_STEP, DRIFTED])


def test_a_version_that_was_loaded_by_hand_is_accepted_by_promoting_it(world: World) -> None:
    load_version(world, 2)

    done = world.backend.guard.accept(STAGE, actor=world.backend.actor)

    assert (done.outcome, done.kind, done.version) == (Outcome.SUCCEEDED, DeploymentKind.PROMOTE, 2)
    endpoint = world.backend.serving.describe(STAGE)
    assert endpoint.in_step
    assert endpoint.wanted is not None
    assert endpoint.wanted.version == 2
    (event,) = world.backend.audit.list_events(AuditFilter(actions=("accept",)))
    assert (event.before, event.after["version"], event.outcome) == ({"version": 1}, 2, "Succeeded")


def test_a_bare_load_is_a_drift_although_the_model_is_the_same(world: World) -> None:
    Meddler(world.home.root, STAGE).load_bare()

    endpoint = world.backend.serving.describe(STAGE)
    assert endpoint.served is None
    assert "version: should be 1, is not pinned" in told(endpoint.drift)
    assert world.backend.promotion.promote(STAGE, 1, actor=world.backend.actor).outcome is Outcome.SUCCEEDED
    assert world.backend.guard.look(STAGE).is_well


def test_another_configuration_is_a_drift_and_restored(world: World) -> None:
    Meddler(world.home.root, STAGE).configure(instance_group=[{"count": 1, "kind": "KIND_CPU"}])

    assert told(world.backend.serving.describe(STAGE).drift) == "instances: should be 2, is 1"
    assert "That is not a version to accept" in world.backend.guard.why_not_accept(
        world.backend.serving.describe(STAGE), world.backend.actor
    )
    assert world.backend.guard.restore(STAGE, actor=world.backend.actor).outcome is Outcome.SUCCEEDED
    assert world.backend.guard.look(STAGE).is_well


def test_a_changed_file_is_a_drift_and_restored_from_the_registry(world: World) -> None:
    Meddler(world.home.root, STAGE).change_file()

    assert "model file on disk" in told(world.backend.serving.describe(STAGE).drift)
    done = world.backend.guard.restore(STAGE, actor=world.backend.actor)
    assert (done.outcome, done.error) == (Outcome.SUCCEEDED, "")
    assert done.probe is not None
    assert done.probe.failed == 0
    assert world.backend.guard.look(STAGE).is_well
