from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backend.domain.identity import Actor, Role
from backend.domain.jobs import JobStatus
from backend.domain.operations import OperationStatus
from backend.domain.registry import Approval
from backend.domain.serving import ServedModel, Stage
from backend.domain.steps import StepStatus
from backend.errors import EndpointUnavailableError, PermissionDeniedError, WrongStateError
from backend.services.quickstart import STEPS
from tests.fakes.backend import World, make_world
from tests.fakes.serving import FakeServing

ADA = Actor(name="ada", role=Role.APPROVER)


@pytest.fixture
def serving(tmp_path: Path) -> FakeServing:
    return FakeServing(tmp_path / "locks")


@pytest.fixture
def world(tmp_path: Path, serving: FakeServing, monkeypatch: pytest.MonkeyPatch) -> World:
    """Trainings are over at once: a job with archives takes the place of every launch."""
    world = make_world(tmp_path, serving)

    def launched(**asked: object) -> object:
        name = f"job-{len(world.backend.training.list_jobs()) + 1}"
        world.add_job(name, next_status.pop(0) if next_status else JobStatus.COMPLETED)
        return world.backend.training.describe(name)

    next_status: list[JobStatus] = []
    monkeypatch.setattr(world.backend.launching, "train", launched)
    world.backend.launching.next_status = next_status  # type: ignore[attr-defined]
    return world


def test_from_nothing_to_both_stages(world: World) -> None:
    operation = world.backend.quickstart.run("quickstart-1", actor=ADA, preset="fast")
    assert operation.status is OperationStatus.COMPLETED
    assert [(step.name, step.status) for step in operation.steps] == [(name, StepStatus.COMPLETED) for name in STEPS]
    version = world.backend.registry.get(1)
    assert (version.approval, version.approval_by) == (Approval.APPROVED, "ada")
    for stage in Stage:
        assert world.backend.serving.describe(stage).served == ServedModel(version=1, sha256=version.sha256)
        assert world.backend.deployments.get(str(operation.result[stage.value])).stage is stage
    assert operation.result["job"] == "job-1"
    assert world.backend.quickstart.latest() == operation


def test_it_is_taken_up_where_it_failed(world: World, serving: FakeServing, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise EndpointUnavailableError("Port 18000 is taken.", hint="Free it.")

    with monkeypatch.context() as patch:
        patch.setattr(serving, "deploy", broken)
        failed = world.backend.quickstart.run("quickstart-1", actor=ADA, preset="fast")
    assert (failed.status, failed.error, failed.hint) == (OperationStatus.FAILED, "Port 18000 is taken.", "Free it.")
    assert [step.status for step in failed.steps[4:]] == [StepStatus.FAILED, StepStatus.PENDING]
    again = world.backend.quickstart.run("quickstart-1", actor=ADA, preset="fast")
    assert (again.status, again.attempt) == (OperationStatus.COMPLETED, 2)
    assert [job.name for job in world.backend.training.list_jobs()] == ["job-1"]
    assert len(world.backend.registry.list_versions()) == 1


def test_it_does_not_overrule_a_rejection(world: World, serving: FakeServing, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise EndpointUnavailableError("Port 18000 is taken.")

    with monkeypatch.context() as patch:
        patch.setattr(serving, "deploy", broken)
        world.backend.quickstart.run("quickstart-1", actor=ADA, preset="fast")
    world.backend.registration.decide(1, Approval.REJECTED, actor=ADA)
    again = world.backend.quickstart.run("quickstart-1", actor=ADA, preset="fast")
    assert again.status is OperationStatus.FAILED
    assert "was rejected by ada" in again.error
    assert world.backend.registry.get(1).approval is Approval.REJECTED


def test_a_failed_training_is_trained_again(world: World) -> None:
    world.backend.launching.next_status.append(JobStatus.FAILED)  # type: ignore[attr-defined]
    failed = world.backend.quickstart.run("quickstart-1", actor=ADA, preset="fast")
    assert failed.status is OperationStatus.FAILED
    assert "'job-1' is Failed. The loss became NaN." in failed.error
    assert failed.steps[0].status is StepStatus.FAILED
    again = world.backend.quickstart.run("quickstart-1", actor=ADA, preset="fast")
    assert again.status is OperationStatus.COMPLETED
    assert again.result["job"] == "job-2"


def test_only_who_may_approve_may_begin(world: World) -> None:
    operator = Actor(name="bob", role=Role.OPERATOR)
    for begin in (
        lambda: world.backend.quickstart.run("quickstart-1", actor=operator, preset="fast"),
        lambda: world.backend.quickstart.start(actor=operator, preset="fast"),
    ):
        with pytest.raises(PermissionDeniedError, match="'bob' may not run the quick start"):
            begin()
    assert world.backend.quickstart.latest() is None


def test_one_process_at_a_time_works_on_it(world: World) -> None:
    with (
        world.backend.operations.joined("quickstart-1"),
        pytest.raises(WrongStateError, match="'quickstart-1' is running already"),
    ):
        world.backend.quickstart.run("quickstart-1", actor=ADA, preset="fast")


def test_one_whose_process_died_reads_interrupted(world: World) -> None:
    done = world.backend.quickstart.run("quickstart-1", actor=ADA, preset="fast")
    store = world.backend.quickstart._store
    store.save(replace(done, id="quickstart-2", status=OperationStatus.IN_PROGRESS, ended_at=None))
    store.save(replace(done, id="quickstart-1", started_at=done.started_at.replace(year=2020)))
    latest = world.backend.quickstart.latest()
    assert latest is not None
    assert (latest.id, latest.status) == ("quickstart-2", OperationStatus.INTERRUPTED)
    assert world.backend.quickstart.next_id() == "quickstart-2"


def test_starting_twice_starts_once_and_is_seen_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    spawned: list[list[str]] = []
    monkeypatch.setattr("backend.adapters.local.operations.spawn_detached", lambda argv, **_: spawned.append(argv))
    assert world.backend.quickstart.start(actor=ADA, preset="fast") == "quickstart-1"
    with world.backend.operations.joined("quickstart-1"):  # as the process would
        latest = world.backend.quickstart.latest()
        assert latest is not None
        assert (latest.id, latest.status) == ("quickstart-1", OperationStatus.IN_PROGRESS)
        assert world.backend.quickstart.start(actor=ADA, preset="fast") == "quickstart-1"
    assert len(spawned) == 1
    assert world.backend.quickstart.run("quickstart-1", actor=ADA, preset="fast").attempt == 1
    assert world.backend.quickstart.next_id() == "quickstart-2"
