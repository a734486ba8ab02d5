from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from backend.cli.parser import build_parser
from backend.domain.identity import Actor, Role
from backend.domain.operations import Operation, OperationStatus
from backend.domain.steps import StepStatus
from backend.domain.tracking import Run, RunState
from backend.errors import (
    NotFoundError,
    PermissionDeniedError,
    PlatformError,
    SetupError,
    WorkFailedError,
    WrongStateError,
)
from tests.fakes.backend import World, make_world
from tests.fakes.serving import FakeServing

OTTO = Actor(name="otto", role=Role.OPERATOR)
VERA = Actor(name="vera", role=Role.VIEWER)
PROJECT = "digit_classification"
DOWN = PlatformError("W&B's server x cannot be reached.", hint="Check the network.")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Runs a to c wait, d is synced, e runs still, f is on the server only."""
    world = make_world(tmp_path, FakeServing(tmp_path / "locks"))
    for run_id in "abc":
        add(world, run_id)
    add(world, "d", synced=True)
    add(world, "e", state=RunState.RUNNING)
    world.runs.add_run("f", {"loss": [1.0]}, synced=False)
    return world


def add(world: World, run_id: str, **given: object) -> Run:
    return world.runs.add_run(run_id, {"loss": [2.0, 1.0]}, folders=(f"/runs/{run_id}",), **given)


def steps(operation: Operation) -> dict[str, tuple[StepStatus, str]]:
    return {step.name.removeprefix(f"{PROJECT}/"): (step.status, step.detail) for step in operation.steps}


def sync(world: World, *names: str, actor: Actor = OTTO) -> Operation:
    return world.backend.run_sync.run(names, actor=actor)


def test_what_waits_is_ended_here_and_not_there_oldest_first(world: World) -> None:
    assert [run.id for run in world.backend.run_sync.waiting()] == ["a", "b", "c"]


def test_each_run_is_uploaded_in_turn_and_leaves_its_event(world: World) -> None:
    operation = sync(world, "a", f"{PROJECT}/b")
    assert (operation.id, operation.status) == ("sync-1", OperationStatus.COMPLETED)
    assert world.uploads.uploaded == ["a", "b"]
    assert steps(operation)["a"] == (StepStatus.COMPLETED, "seen on W&B with step 1 and 2 rows.")
    events = world.backend.audit.list_events()
    assert [(event.actor, event.action, event.subject, event.outcome) for event in events] == [
        ("otto", "sync", f"run {PROJECT}/b", "done"),
        ("otto", "sync", f"run {PROJECT}/a", "done"),
    ]
    assert events[0].after["url"].endswith("/runs/b")
    assert world.backend.run_sync.latest() == operation


def test_one_bad_run_spoils_no_other_and_is_named(world: World) -> None:
    world.uploads.bad["b"] = WorkFailedError("Run 'b' is not whole on W&B: it has 1 of 2 rows.")
    operation = sync(world, "a", "b", "c")
    assert operation.status is OperationStatus.FAILED
    assert world.uploads.uploaded == ["a", "c"]
    assert steps(operation)["b"] == (StepStatus.FAILED, "Run 'b' is not whole on W&B: it has 1 of 2 rows.")
    assert operation.error == f"1 of 3 runs are not on W&B as they should be: {PROJECT}/b."
    assert [event.outcome for event in world.backend.audit.list_events()] == ["done", "failed", "done"]


def test_a_dead_server_is_found_out_before_the_first_run(world: World) -> None:
    world.uploads.down = DOWN
    operation = sync(world, "a", "b")
    assert (operation.status, operation.error) == (OperationStatus.FAILED, DOWN.message)
    assert operation.hint == "Check the network. Sync again: what is on the server is left alone, the rest is uploaded."
    assert {status for status, _ in steps(operation).values()} == {StepStatus.PENDING}


def test_a_server_that_dies_in_between_is_not_tried_with_every_run(world: World) -> None:
    def dies() -> None:
        if world.uploads.uploaded:
            world.uploads.down = DOWN
            world.uploads.bad["b"] = WorkFailedError("Run 'b' was not uploaded within 600 s.")

    world.uploads.meanwhile = dies
    operation = sync(world, "a", "b", "c")
    assert [status for status, _ in steps(operation).values()] == [
        StepStatus.COMPLETED,
        StepStatus.FAILED,
        StepStatus.PENDING,
    ]
    assert operation.error == DOWN.message


def test_what_is_there_is_left_alone_so_that_syncing_again_goes_on(world: World) -> None:
    operation = sync(world, "d", "a")
    assert world.uploads.uploaded == ["a"]
    assert steps(operation)["d"] == (StepStatus.COMPLETED, "on W&B already")
    assert sync(world, "b").id == "sync-2"


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("e", WrongStateError, "It is still running"),
        ("f", WrongStateError, "It has no files on this machine"),
        ("nothing", NotFoundError, "'nothing' is not known"),
    ],
)
def test_what_cannot_be_synced_is_refused_before_anything_is_uploaded(
    world: World, name: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        sync(world, "a", name)
    assert (world.uploads.uploaded, world.uploads.checked) == ([], 0)
    assert world.backend.run_sync.latest() is None


def test_a_viewer_may_not_and_without_a_key_nobody_can(world: World) -> None:
    with pytest.raises(PermissionDeniedError, match="sync runs"):
        sync(world, "a", actor=VERA)
    with pytest.raises(PermissionDeniedError, match="sync runs"):
        world.backend.run_sync.start(["a"], actor=VERA)
    world.uploads.no = "WANDB_API_KEY is not set: there is no server to sync to."
    with pytest.raises(SetupError, match="WANDB_API_KEY is not set"):
        sync(world, "a")
    assert world.uploads.uploaded == []


def test_a_project_that_is_called_like_an_option_is_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of projects are anybody's, and go to a process of ours as its arguments."""
    world.runs.add_run("x", {"loss": [1.0]}, project="--all", folders=("/runs/x",))
    verbs: list[Sequence[str]] = []

    def start(_: str, verb: Sequence[str], *, before: Callable[[], None]) -> None:
        before()
        verbs.append(verb)

    monkeypatch.setattr(world.backend.run_sync._processes, "start", start)
    world.backend.run_sync.start(["--all/x", "a"], actor=OTTO)
    options = build_parser().parse_args(list(verbs[0]))
    assert (options.name, options.all, options.operation) == (["--all/x", f"{PROJECT}/a"], False, "sync-1")


def test_two_at_once_are_refused(world: World) -> None:
    refused: list[str] = []

    def another() -> None:
        try:
            sync(world, "b")
        except WrongStateError as error:
            refused.append(error.message)
        try:
            world.backend.run_sync.start(["b"], actor=OTTO)
        except WrongStateError as error:
            refused.append(error.message)

    world.uploads.meanwhile = another
    sync(world, "a")
    assert refused == ["A sync is running already ('sync-1')."] * 2
    assert world.uploads.uploaded == ["a"]


def test_a_sync_whose_process_died_is_told_so_and_the_next_goes_on(world: World) -> None:
    def dies() -> None:
        raise KeyboardInterrupt

    world.uploads.meanwhile = dies
    with pytest.raises(KeyboardInterrupt):
        sync(world, "a", "b")
    last = world.backend.run_sync.latest()
    assert last is not None
    assert last.status is OperationStatus.INTERRUPTED
    assert steps(last) == {"a": (StepStatus.FAILED, "the process died here"), "b": (StepStatus.PENDING, "")}
    world.uploads.meanwhile = lambda: None
    assert sync(world, "a", "b").status is OperationStatus.COMPLETED
