from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from backend.cli.documents import deployment_document
from backend.domain.identity import Actor, Role
from backend.domain.promotion import STEPS, DeploymentKind, Outcome
from backend.domain.registry import Approval
from backend.domain.serving import ServedModel, Stage
from backend.domain.steps import StepStatus
from backend.errors import (
    GateFailedError,
    NotFoundError,
    PermissionDeniedError,
    StageBusyError,
    StalePlanError,
    WrongStateError,
)
from backend.services.promotion import NOTHING
from tests.fakes.backend import NOON, World, make_world
from tests.fakes.serving import FakeServing

ADA = Actor(name="ada", role=Role.APPROVER)


@pytest.fixture
def serving(tmp_path: Path) -> FakeServing:
    return FakeServing(tmp_path / "locks")


@pytest.fixture
def world(tmp_path: Path, serving: FakeServing) -> World:
    """Versions 1 and 2 are approved, 3 is not."""
    world = make_world(tmp_path, serving)
    for number in (1, 2, 3):
        world.add_job(f"job-{number}")
        world.backend.registration.register_job(f"job-{number}", actor=ADA)
    for number in (1, 2):
        world.backend.registration.decide(number, Approval.APPROVED, actor=ADA)
    return world


def last_event(world: World) -> tuple[str, str, str]:
    event = world.backend.audit.list_events()[0]
    return event.action, event.subject, event.outcome


def test_a_plan_says_what_is_served_and_what_would_be(world: World) -> None:
    plan = world.backend.promotion.plan(Stage.STAGING, 1)
    assert plan.serving is None
    assert plan.target == ServedModel(version=1, sha256=world.backend.registry.get(1).sha256)
    assert not plan.changes_nothing


def test_promoting_serves_the_version_and_keeps_a_record(world: World) -> None:
    deployment = world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA)
    assert deployment.outcome is Outcome.SUCCEEDED
    assert [(step.name, step.status) for step in deployment.steps] == [(name, StepStatus.COMPLETED) for name in STEPS]
    assert world.backend.deployments.get(deployment.id) == deployment
    served = world.backend.serving.describe(Stage.STAGING).served
    assert served == ServedModel(version=1, sha256=deployment.sha256)
    assert last_event(world) == ("promote", "stage staging", "Succeeded")


def test_the_next_deployment_knows_what_was_served_before(world: World) -> None:
    first = world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA)
    second = world.backend.promotion.promote(Stage.STAGING, 2, actor=ADA)
    assert second.previous == ServedModel(version=1, sha256=first.sha256)
    assert [deployment.id for deployment in world.backend.promotion.history(Stage.STAGING)] == [second.id, first.id]
    assert list(world.backend.promotion.history(Stage.PROD)) == []


def test_repeating_a_finished_promotion_changes_nothing(world: World) -> None:
    world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA)
    again = world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA)
    assert again.outcome is Outcome.UNCHANGED
    assert again.outcome.is_good


@pytest.mark.parametrize("expected", ["f" * 64, "deadbeef"])
def test_a_stage_that_changed_since_the_plan_is_left_alone(world: World, expected: str) -> None:
    with pytest.raises(StalePlanError, match="serves none; expected"):
        world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA, expected=expected)
    assert world.backend.serving.describe(Stage.STAGING).served is None
    assert last_event(world) == ("promote", "stage staging", "refused")


def test_what_was_expected_may_be_named_by_its_first_characters(world: World) -> None:
    first = world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA, expected=NOTHING)
    second = world.backend.promotion.promote(Stage.STAGING, 2, actor=ADA, expected=first.sha256[:12])
    assert second.outcome is Outcome.SUCCEEDED
    with pytest.raises(StalePlanError):
        world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA, expected=NOTHING)


def test_an_id_is_used_once(world: World) -> None:
    world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA, deployment_id="ci-42")
    with pytest.raises(WrongStateError, match="Deployment 'ci-42' exists: it is Succeeded"):
        world.backend.promotion.promote(Stage.STAGING, 2, actor=ADA, deployment_id="ci-42")
    served = world.backend.serving.describe(Stage.STAGING).served
    assert served is not None
    assert served.version == 1


def test_what_was_interrupted_is_not_audited_as_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(world.backend.serving, "deploy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA)
    assert last_event(world) == ("promote", "stage staging", "interrupted")
    (deployment,) = world.backend.promotion.history(Stage.STAGING)
    assert deployment.outcome is Outcome.INTERRUPTED


def test_a_version_without_approval_is_refused(world: World) -> None:
    with pytest.raises(GateFailedError, match="Version 3 may not serve on staging: 1 gate does not pass") as refused:
        world.backend.promotion.promote(Stage.STAGING, 3, actor=ADA)
    assert "It is waiting for approval: nobody has decided about it yet." in refused.value.message
    assert refused.value.hint.startswith("python -m backend models approve 3")
    assert list(world.backend.promotion.history()) == []


def test_roles_are_asked_for(world: World) -> None:
    operator = Actor(name="bob", role=Role.OPERATOR)
    assert world.backend.promotion.promote(Stage.STAGING, 1, actor=operator).outcome is Outcome.SUCCEEDED
    with pytest.raises(PermissionDeniedError, match="'bob' may not promote to prod"):
        world.backend.promotion.promote(Stage.PROD, 1, actor=operator)
    with pytest.raises(PermissionDeniedError):
        world.backend.promotion.promote(Stage.STAGING, 1, actor=Actor(name="eve", role=Role.VIEWER))


def test_an_unknown_version_is_not_found(world: World) -> None:
    with pytest.raises(NotFoundError, match="No model version 9"):
        world.backend.promotion.promote(Stage.STAGING, 9, actor=ADA)


def test_a_second_deployment_at_once_is_told_who_holds_the_stage(world: World) -> None:
    with world.backend.serving.hold(Stage.STAGING, "bob, deployment staging-v2-x"):
        with pytest.raises(StageBusyError, match="bob"):
            world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA)
    assert world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA).outcome is Outcome.SUCCEEDED


def test_an_archive_that_rotted_never_takes_traffic(world: World) -> None:
    first = world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA)
    archive = world.home.version(2)
    archive.chmod(0o644)
    archive.write_bytes(archive.read_bytes()[:-20])
    deployment = world.backend.promotion.promote(Stage.STAGING, 2, actor=ADA)
    assert deployment.outcome is Outcome.FAILED
    assert deployment.error
    assert StepStatus.FAILED in [step.status for step in deployment.steps]
    assert world.backend.serving.describe(Stage.STAGING).served == ServedModel(version=1, sha256=first.sha256)
    assert last_event(world) == ("promote", "stage staging", "Failed")


def test_a_silent_rollback_is_told_as_one(world: World, serving: FakeServing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform may take an update, fail it, and serve the old version again without an error."""
    first = world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA)
    monkeypatch.setattr(serving, "deploy", lambda stage, *_: serving.describe(stage))
    deployment = world.backend.promotion.promote(Stage.STAGING, 2, actor=ADA)
    assert deployment.outcome is Outcome.ROLLED_BACK
    assert not deployment.outcome.is_good
    assert deployment.error == "'staging' went back to version 1 by itself, asked for was version 2."
    assert serving.describe(Stage.STAGING).served == ServedModel(version=1, sha256=first.sha256)
    assert last_event(world) == ("promote", "stage staging", "RolledBack")


def test_a_record_whose_process_died_after_all_was_verified_says_what_serves(world: World) -> None:
    done = world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA)
    steps = (*done.steps[:-1], replace(done.steps[-1], status=StepStatus.IN_PROGRESS, ended_at=None))
    dead = replace(done, id="staging-v1-dead", outcome=Outcome.IN_PROGRESS, ended_at=None, steps=steps)
    world.backend.deployments.save(dead)
    settled = world.backend.promotion.settle(dead)
    assert settled.hint == "Version 1 was switched to before. Promote it again to confirm that it serves."
    assert (settled.steps[-1].status, settled.steps[-1].detail) == (StepStatus.FAILED, "the process died here")


def test_a_record_whose_process_died_reads_interrupted(world: World) -> None:
    done = world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA)
    dead = replace(done, id="staging-v2-dead", version=2, outcome=Outcome.IN_PROGRESS, ended_at=None, started_at=NOON)
    world.backend.deployments.save(dead)
    with world.backend.serving.hold(Stage.STAGING, "somebody"):
        assert world.backend.promotion.settle(dead).outcome is Outcome.IN_PROGRESS
    assert world.backend.promotion.settle(dead).outcome is Outcome.INTERRUPTED
    assert world.backend.deployments.get("staging-v2-dead").outcome is Outcome.INTERRUPTED
    assert world.backend.promotion.settle(done) == done


def test_a_rollback_serves_what_served_before_and_says_so(world: World) -> None:
    for number in (1, 2):
        world.backend.promotion.promote(Stage.PROD, number, actor=ADA)
    assert world.backend.promotion.rollback_plan(Stage.PROD).target.version == 1
    deployment = world.backend.promotion.roll_back(Stage.PROD, actor=ADA)
    assert (deployment.kind, deployment.version, deployment.outcome) == (DeploymentKind.ROLLBACK, 1, Outcome.SUCCEEDED)
    served = world.backend.serving.describe(Stage.PROD).served
    assert served is not None
    assert served.version == 1
    assert last_event(world) == ("rollback", "stage prod", "Succeeded")
    with pytest.raises(WrongStateError, match="'prod' cannot be rolled back: nothing served well before"):
        world.backend.promotion.roll_back(Stage.PROD, actor=ADA)


def test_the_time_to_restore_ends_when_what_served_well_answers_again(world: World) -> None:
    for number in (1, 2):
        promoted = world.backend.promotion.promote(Stage.PROD, number, actor=ADA)
    assert promoted.restored_in is None, "a promotion restores nothing"
    back = world.backend.promotion.roll_back(Stage.PROD, actor=ADA)
    switch = next(step for step in back.steps if step.name == "switch")
    assert switch.ended_at is not None
    assert back.ended_at is not None
    assert back.restored_in == switch.ended_at - back.started_at
    assert back.restored_in <= back.ended_at - back.started_at
    for broken in (
        replace(back, outcome=Outcome.FAILED),
        replace(back, steps=tuple(replace(step, status=StepStatus.FAILED) for step in back.steps)),
    ):
        assert broken.restored_in is None
    document = deployment_document(back)
    assert document["restored_seconds"] == back.restored_in.total_seconds() <= document["seconds"]


def test_two_rollbacks_at_once_are_one_step_back(
    world: World, serving: FakeServing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second was asked for while the bad version served, and its turn comes after the first."""
    world.add_job("job-bad", sharpness=2.0)
    bad = world.backend.registration.register_job("job-bad", actor=ADA).version
    world.backend.registration.decide(bad, Approval.APPROVED, actor=ADA)
    for number in (2, 1, bad):
        world.backend.promotion.promote(Stage.PROD, number, actor=ADA)
    hold = serving.hold

    def late(stage: Stage, holder: str) -> AbstractContextManager[None]:
        monkeypatch.setattr(serving, "hold", hold)
        world.backend.promotion.roll_back(Stage.PROD, actor=ADA)
        return hold(stage, holder)

    monkeypatch.setattr(serving, "hold", late)
    with pytest.raises(StalePlanError, match="it changed since the plan was made"):
        world.backend.promotion.roll_back(Stage.PROD, actor=ADA)
    served = serving.describe(Stage.PROD).served
    assert served is not None
    assert served.version == 1


def test_a_rollback_asks_for_the_role_and_not_for_an_approval(world: World) -> None:
    for number in (1, 2):
        world.backend.promotion.promote(Stage.PROD, number, actor=ADA)
    world.backend.registration.decide(1, Approval.REJECTED, actor=ADA)
    with pytest.raises(PermissionDeniedError):
        world.backend.promotion.roll_back(Stage.PROD, actor=Actor(name="bob", role=Role.OPERATOR))
    assert world.backend.promotion.roll_back(Stage.PROD, actor=ADA).version == 1
