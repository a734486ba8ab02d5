"""runs sync: documents and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import backend.cli as cli
from backend.domain.tracking import RunState
from backend.errors import PlatformError, WorkFailedError
from tests.fakes.backend import World, make_world
from tests.fakes.serving import FakeServing


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Runs a and b wait, c runs still."""
    world = make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))
    for run_id in "ab":
        world.runs.add_run(run_id, {"loss": [2.0, 1.0]}, folders=(f"/runs/{run_id}",))
    world.runs.add_run("c", {"loss": [2.0]}, folders=("/runs/c",), state=RunState.RUNNING)
    monkeypatch.setattr(cli, "connect", lambda _: world.backend)
    return world


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object]]:
    code = cli.main(["runs", "sync", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_all_means_those_that_wait(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = run(capsys, "--all")
    assert (code, document["status"], document["operation"]) == (0, "Completed", "sync-1")
    assert [(one["name"], one["status"]) for one in document["runs"]] == [
        ("digit_classification/a", "Completed"),
        ("digit_classification/b", "Completed"),
    ]
    assert world.uploads.uploaded == ["a", "b"]


def test_nothing_to_do_is_done(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for run_id in "ab":
        world.runs.add_run(run_id, folders=(f"/runs/{run_id}",), synced=True)
    assert run(capsys, "--all") == (0, {"operation": None, "status": "Completed", "runs": []})
    assert cli.main(["runs", "sync", "--all"]) == 0
    assert capsys.readouterr().out == "Every run is on W&B already.\n"


def test_a_run_that_is_not_there_in_the_end_is_exit_code_1(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.uploads.bad["a"] = WorkFailedError("Run 'a' is not whole on W&B: it has 1 of 2 rows.")
    code, document = run(capsys, "a", "b")
    assert (code, document["status"]) == (1, "Failed")
    assert "1 of 2 runs are not on W&B" in str(document["failure"])
    assert world.uploads.uploaded == ["b"]


def test_a_dead_server_is_exit_code_1_with_the_reason(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.uploads.down = PlatformError("W&B's server x cannot be reached.", hint="Check the network.")
    assert cli.main(["runs", "sync", "a"]) == 1
    said = capsys.readouterr().out
    assert "cannot be reached" in said
    assert "next: Check the network." in said


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        (["a", "--all"], 2),
        (["a", "--timeout", "0"], 2),
        (["a", "--operation", "../x"], 2),
        (["x"], 3),
        (["c"], 4),
    ],
)
def test_what_cannot_be_done_has_its_exit_code(
    world: World, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    assert run(capsys, *arguments)[0] == code
    assert world.uploads.uploaded == []


def test_without_a_key_it_says_what_to_set(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.uploads.no = "WANDB_API_KEY is not set: there is no server to sync to."
    code, document = run(capsys, "--all")
    assert (code, document["error"]["kind"]) == (5, "SetupError")
    assert "WANDB_API_KEY" in document["error"]["hint"]
