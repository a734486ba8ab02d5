from __future__ import annotations

from pathlib import Path

import pytest

from backend.domain.identity import Actor, Role
from backend.domain.jobs import JobStatus
from backend.domain.registry import Approval
from backend.errors import ArchiveRejectedError, InvalidInputError, PermissionDeniedError, WrongStateError
from tests.fakes.backend import World, make_world
from tests.fakes.serving import FakeServing

ADA = Actor(name="ada", role=Role.APPROVER)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))
    world.add_job("done")
    return world


def test_a_completed_job_becomes_a_version_with_its_evaluation(world: World) -> None:
    version = world.backend.registration.register_job("done", actor=ADA)
    assert version.version == 1
    assert version.sha256 == world.backend.training.describe("done").sha256
    assert version.evaluation is not None
    assert version.evaluation.accuracy == 0.95
    assert version.evaluation.per_class_recall[9] == 0.5


def test_registering_twice_gives_the_same_version(world: World) -> None:
    first = world.backend.registration.register_job("done", actor=ADA)
    assert world.backend.registration.register_job("done", actor=ADA) == first


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.STOPPED])
def test_an_unfinished_job_cannot_be_registered(world: World, status: JobStatus) -> None:
    world.add_job("other", status)
    with pytest.raises(WrongStateError, match=f"'other' cannot be registered: it is {status.value}"):
        world.backend.registration.register_job("other", actor=ADA)


def test_an_archive_that_changed_after_its_job_is_refused(world: World) -> None:
    archive = world.home.job("done").archive
    archive.write_bytes(archive.read_bytes() + b"x")
    with pytest.raises(ArchiveRejectedError, match="SHA-256"):
        world.backend.registration.register_job("done", actor=ADA)
    assert world.backend.audit.list_events()[0].outcome == "failed"


def test_a_damaged_output_is_named(world: World) -> None:
    output = world.home.job("done").output_archive
    output.write_bytes(output.read_bytes()[:40])
    with pytest.raises(ArchiveRejectedError, match=r"evaluation in .* cannot be read"):
        world.backend.registration.register_job("done", actor=ADA)


def test_a_decision_needs_an_approver_and_leaves_an_event(world: World) -> None:
    world.backend.registration.register_job("done", actor=ADA)
    with pytest.raises(PermissionDeniedError, match="needed is approver"):
        world.backend.registration.decide(1, Approval.APPROVED, actor=Actor(name="bob", role=Role.OPERATOR))
    version = world.backend.registration.decide(1, Approval.APPROVED, actor=ADA, comment="looks right")
    assert (version.approval, version.approval_by, version.approval_comment) == (
        Approval.APPROVED,
        "ada",
        "looks right",
    )
    event = world.backend.audit.list_events()[0]
    assert (event.action, event.before, event.after["approval"]) == (
        "approve",
        {"approval": "PendingManualApproval"},
        "Approved",
    )


def test_a_comment_is_kept_and_leaves_an_event(world: World) -> None:
    world.backend.registration.register_job("done", actor=ADA)
    bob = Actor(name="bob", role=Role.OPERATOR)
    world.backend.registration.comment(1, "  Its nines look odd. ", actor=bob)
    (decision,) = world.backend.registry.decisions(1)
    assert (decision.by, decision.comment) == ("bob", "Its nines look odd.")
    event = world.backend.audit.list_events()[0]
    assert (event.action, event.subject, event.after) == ("comment", "version 1", {"comment": "Its nines look odd."})


@pytest.mark.parametrize("text", ["", "   ", "x" * 1001])
def test_a_comment_says_something_and_no_novel(world: World, text: str) -> None:
    world.backend.registration.register_job("done", actor=ADA)
    with pytest.raises(InvalidInputError, match="The comment"):
        world.backend.registration.comment(1, text, actor=ADA)
    assert list(world.backend.registry.decisions(1)) == []
