"""The guard's rules: who may put a drift right, in which way, and what is kept of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.domain.audit import AuditEvent, AuditFilter
from backend.domain.drift import DRIFTED, GUARD
from backend.domain.identity import Actor, Role
from backend.domain.promotion import DeploymentKind, Outcome
from backend.domain.registry import Approval
from backend.domain.serving import ServedModel, Stage
from backend.errors import GateFailedError, PermissionDeniedError, StageBusyError, WrongStateError
from tests.contract.archives import digest_of, good_archive
from tests.fakes.backend import World, make_world, now
from tests.fakes.serving import FakeServing

ADA = Actor(name="ada", role=Role.APPROVER)
BOB = Actor(name="bob", role=Role.OPERATOR)
EVE = Actor(name="eve", role=Role.VIEWER)
STAGE = Stage.PROD


@pytest.fixture
def serving(tmp_path: Path) -> FakeServing:
    return FakeServing(tmp_path / "locks")


@pytest.fixture
def world(tmp_path: Path, serving: FakeServing) -> World:
    """Prod serves version 1; 2 is approved, 3 waits for approval."""
    world = make_world(tmp_path, serving)
    for number in (1, 2, 3):
        world.add_job(f"job-{number}", sharpness=number)
        world.backend.registration.register_job(f"job-{number}", actor=ADA)
    for number in (1, 2):
        world.backend.registration.decide(number, Approval.APPROVED, actor=ADA)
    world.backend.promotion.promote(STAGE, 1, actor=ADA)
    return world


def load_past(world: World, serving: FakeServing, number: int) -> None:
    version = world.backend.registry.get(number)
    archive = world.backend.registry.fetch_archive(version)
    serving.load_past(STAGE, ServedModel(version=number, sha256=version.sha256), archive)


def test_a_stage_that_serves_what_it_should_is_well_and_so_is_an_empty_one(world: World) -> None:
    assert [world.backend.guard.look(stage).is_well for stage in Stage] == [True, True]


def test_a_stage_that_is_down_is_not_well(world: World, serving: FakeServing) -> None:
    serving.suspend(STAGE)
    assert not world.backend.guard.look(STAGE).is_well


def test_a_drift_is_told_with_who_and_when(world: World, serving: FakeServing) -> None:
    second = world.backend.promotion.promote(STAGE, 2, actor=ADA)
    load_past(world, serving, 1)
    seen = AuditEvent(at=now(), actor=GUARD, action="drift", subject="stage prod", outcome=DRIFTED)
    world.backend.audit.append(seen)
    look = world.backend.guard.look(STAGE)
    assert not look.is_well
    assert look.wanted_by is not None
    assert look.wanted_by.id == second.id
    assert look.served_by is not None
    assert look.served_by.version == 1
    assert look.noticed == seen


def test_an_operator_restores_and_the_record_says_what_it_was(world: World, serving: FakeServing) -> None:
    load_past(world, serving, 2)
    with pytest.raises(PermissionDeniedError):
        world.backend.guard.restore(STAGE, actor=EVE)
    assert "role is viewer" in world.backend.guard.why_not_restore(STAGE, EVE)
    assert world.backend.guard.why_not_restore(STAGE, BOB) == ""

    done = world.backend.guard.restore(STAGE, actor=BOB)

    assert (done.kind, done.version, done.outcome) == (DeploymentKind.RESTORE, 1, Outcome.SUCCEEDED)
    assert done.previous is not None
    assert done.previous.version == 2
    assert world.backend.guard.look(STAGE).is_well
    events = world.backend.audit.list_events(AuditFilter(actions=("restore",)))
    assert [(event.actor, event.outcome) for event in events] == [("bob", "Succeeded"), ("eve", "refused")]
    assert events[0].correlation == done.correlation != ""


def test_the_evidence_of_a_restoration_has_what_it_answers(world: World, serving: FakeServing) -> None:
    load_past(world, serving, 2)
    world.backend.audit.append(AuditEvent(at=now(), actor=GUARD, action="drift", subject="stage prod", outcome=DRIFTED))
    done = world.backend.guard.restore(STAGE, actor=BOB)
    found = world.backend.evidence.of(done.id).events
    assert [(event.actor, event.action, event.outcome) for event in found] == [
        ("guard", "drift", "drifted"),
        ("bob", "restore", "Succeeded"),
    ]


def test_restoring_what_is_in_step_changes_nothing(world: World) -> None:
    assert world.backend.guard.restore(STAGE, actor=BOB).outcome is Outcome.UNCHANGED


def test_restoring_asks_for_no_approval(world: World, serving: FakeServing) -> None:
    world.backend.registration.decide(1, Approval.REJECTED, actor=ADA)
    load_past(world, serving, 2)
    assert world.backend.guard.restore(STAGE, actor=BOB).outcome is Outcome.SUCCEEDED


def test_nothing_wanted_is_nothing_to_restore(world: World) -> None:
    with pytest.raises(WrongStateError, match="nothing should serve there"):
        world.backend.guard.restore(Stage.STAGING, actor=BOB)


def test_accepting_is_a_promotion_under_its_rules(world: World, serving: FakeServing) -> None:
    load_past(world, serving, 2)
    with pytest.raises(PermissionDeniedError):
        world.backend.guard.accept(STAGE, actor=BOB)
    assert world.backend.guard.look(STAGE).endpoint.wanted == world.backend.promotion.plan(STAGE, 1).target

    done = world.backend.guard.accept(STAGE, actor=ADA)

    assert (done.kind, done.version, done.outcome) == (DeploymentKind.PROMOTE, 2, Outcome.SUCCEEDED)
    assert world.backend.guard.look(STAGE).is_well
    events = list(world.backend.audit.list_events(AuditFilter(correlation=done.correlation)))
    assert [(event.action, event.outcome) for event in events] == [("accept", "Succeeded"), ("promote", "Succeeded")]


def test_what_nobody_approved_is_not_accepted(world: World, serving: FakeServing) -> None:
    load_past(world, serving, 3)
    assert "it is waiting for approval" in world.backend.guard.why_not_accept(
        world.backend.serving.describe(STAGE), ADA
    )
    with pytest.raises(GateFailedError):
        world.backend.guard.accept(STAGE, actor=ADA)


@pytest.mark.parametrize("number", [2, 9])
def test_what_the_registry_does_not_know_is_not_accepted(
    world: World, serving: FakeServing, tmp_path: Path, number: int
) -> None:
    """A number that it knows with other bytes, and one that it does not know."""
    path = good_archive(tmp_path / "foreign.tar.gz", sharpness=7.0)
    serving.load_past(STAGE, ServedModel(version=number, sha256=digest_of(path)), path)
    with pytest.raises(WrongStateError, match="no registered version has its number and its bytes"):
        world.backend.guard.accept(STAGE, actor=ADA)


def test_there_is_nothing_to_accept_where_nothing_drifted(world: World) -> None:
    with pytest.raises(WrongStateError, match="there is nothing to accept"):
        world.backend.guard.accept(STAGE, actor=ADA)


def test_one_at_a_time(world: World, serving: FakeServing) -> None:
    load_past(world, serving, 2)
    with serving.hold(STAGE, "bob, deployment x"), pytest.raises(StageBusyError, match="bob"):
        world.backend.guard.restore(STAGE, actor=ADA)


def test_promoting_what_drifted_in_is_no_unchanged(world: World, serving: FakeServing) -> None:
    load_past(world, serving, 2)
    assert world.backend.promotion.promote(STAGE, 2, actor=ADA).outcome is Outcome.SUCCEEDED
    assert world.backend.promotion.promote(STAGE, 2, actor=ADA).outcome is Outcome.UNCHANGED
