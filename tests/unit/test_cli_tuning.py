"""The command line's part for tuning jobs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import backend.cli as cli
from tests.contract.training_platforms import wait_until
from tests.fakes import trainer
from tests.fakes.backend import World, make_world
from tests.fakes.serving import FakeServing


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))
    monkeypatch.setattr(cli, "connect", lambda _: world.backend)
    return world


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object]]:
    code = cli.main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.processes
def test_a_search_from_launch_to_a_registered_version(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    space = ["--space", "lr=0.001,0.012", "--strategy", "Grid", "--name", "search", "--set", "epochs=3"]
    code, job = run(capsys, "tune", *space, "--wait")
    assert (code, job["job"], job["status"], job["kind"]) == (0, "search", "Completed", "tuning")
    best = job["best_trial"]
    assert isinstance(best, dict) and best["hyperparameters"] == {"lr": 0.012}
    trials = job["trials"]
    assert isinstance(trials, list)
    assert {"job", "status", "value", "hyperparameters"} <= trials[0].keys()
    assert run(capsys, "jobs", "show", "search")[1]["metrics"] == {"val_accuracy": best["value"]}
    listed = {entry["name"]: entry["kind"] for entry in run(capsys, "jobs", "list")[1]}  # type: ignore[index]
    assert listed == {"search": "tuning", **{trial["job"]: "training" for trial in trials}}
    assert "trial 1 launched" in str(run(capsys, "jobs", "logs", "search")[1]["log"])
    code, refused = run(capsys, "register", "search")
    assert code == 4
    assert best["job"] in json.dumps(refused)
    assert run(capsys, "register", str(best["job"]))[1]["version"] == 1
    assert run(capsys, "jobs", "show", str(best["job"]))[1]["tuning_job"] == "search"


@pytest.mark.processes
def test_stopping_and_resuming_by_command(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "tune", "--set", f"seed={trainer.HANGS}", "--name", "search")
    wait_until(lambda: len(world.backend.tuning.describe("search").trials) == 1)
    assert run(capsys, "jobs", "stop", "search", "--after-running")[1]["status"] == "Stopping"
    assert run(capsys, "jobs", "stop", "search")[1]["status"] == "Stopping"
    wait_until(lambda: world.backend.tuning.describe("search").status.is_terminal)
    code, resumed = run(capsys, "jobs", "resume", "search")
    assert (code, resumed["name"], resumed["resumed_from"]) == (0, "search-r2", "search")
    code, stopped = run(capsys, "stop")
    assert code == 0
    assert "search-r2" in stopped["jobs"]  # type: ignore[operator]
    assert world.backend.tuning.describe("search-r2").status.value == "Stopped"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["tune", "--space", "lr=log(0,1)"], 2),
        (["tune", "--space", "seed=1,2"], 2),
        (["tune", "--autotune", "--space", "lr=0.1"], 2),
        (["tune", "--max-jobs", "0"], 2),
        (["tune", "--warm-start", "nobody"], 3),
        (["jobs", "stop", "nobody"], 3),
    ],
)
def test_what_is_refused(world: World, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int) -> None:
    assert run(capsys, *arguments)[0] == code
    assert list(world.backend.tuning.list_jobs()) == []


@pytest.mark.processes
def test_a_training_job_has_no_trials_to_wait_for(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "train", "--name", "first", "--seed", str(trainer.HANGS))
    assert run(capsys, "jobs", "stop", "first", "--after-running")[0] == 2
    assert run(capsys, "jobs", "stop", "first")[1]["status"] == "Stopping"
    wait_until(lambda: world.backend.training.describe("first").status.is_terminal)
