"""The command line: exit codes, documents, and that everything README names exists."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from threading import Timer

import numpy as np
import pytest

import backend.cli as cli
from backend.cli import serving
from backend.cli.documents import table
from backend.cli.parser import build_parser
from backend.domain.identity import Role
from backend.domain.jobs import JobStatus
from backend.domain.promotion import STEPS
from backend.domain.serving import EndpointStatus, Stage
from backend.settings import ROOT
from tests.fakes import trainer
from tests.fakes.backend import World, make_world
from tests.fakes.load import FakeLoad
from tests.fakes.serving import FakeServing


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))
    monkeypatch.setattr(cli, "connect", lambda _: world.backend)
    return world


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, object]:
    """Exit code and the one document that standard output must be."""
    code = cli.main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_journey_by_command(world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    world.add_job("job-a")
    assert run(capsys, "register", "job-a")[1]["version"] == 1
    code, refused = run(capsys, "promote", "1", "--to", "staging")
    assert (code, refused["error"]["kind"]) == (4, "GateFailedError")
    assert [(gate["name"], gate["status"]) for gate in refused["gates"]] == [("approved", "Failed")]
    assert run(capsys, "models", "approve", "1", "--comment", "fine")[1]["approval"] == "Approved"
    code, plan = run(capsys, "promote", "1", "--to", "staging", "--plan")
    assert (code, plan["served"], plan["seconds"], plan["hourly_cost"], plan["blocked"]) == (0, None, None, 0.0, False)
    assert plan["steps"] == list(STEPS)
    code, deployed = run(capsys, "promote", "1", "--to", "staging", "--expected", "none")
    assert (code, deployed["outcome"], deployed["served"]["version"]) == (0, "Succeeded", 1)
    assert [gate["status"] for gate in deployed["gates"]] == ["Passed"]
    assert deployed["gates"][0].keys() >= {"name", "status", "observed", "threshold", "reason"}
    assert run(capsys, "promote", "1", "--to", "staging")[1]["outcome"] == "Unchanged"
    assert run(capsys, "promote", "1", "--to", "staging", "--expected", "none")[0] == 4
    digit = tmp_path / "digit.npy"
    np.save(digit, np.full((28, 28), 200, np.uint8))
    ((answer,),) = [run(capsys, "predict", "--stage", "staging", str(digit))[1]]
    assert (len(answer["probabilities"]), answer["version"], answer["file"]) == (10, 1, str(digit))
    endpoints = {endpoint["stage"]: endpoint for endpoint in run(capsys, "endpoints")[1]}
    assert endpoints["staging"]["served"] == endpoints["staging"]["wanted"] == deployed["served"]
    assert endpoints["prod"]["status"] == "NotDeployed"
    actions = [(event["action"], event["outcome"]) for event in run(capsys, "audit")[1]]
    assert actions[-1] == ("register", "done")
    assert ("promote", "Succeeded") in actions


def test_a_load_test_and_a_deletion_by_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    load = FakeLoad(failing=1)
    world = make_world(tmp_path / "home", FakeServing(tmp_path / "locks"), load)
    monkeypatch.setattr(cli, "connect", lambda _: world.backend)
    world.add_job("job-a")
    run(capsys, "register", "job-a")
    run(capsys, "models", "approve", "1")
    run(capsys, "promote", "1", "--to", "prod")

    code, measured = run(capsys, "loadtest", "--stage", "prod", "--concurrency", "3", "--seconds", "2")
    assert code == 1  # a request failed
    assert measured.items() >= {"requests": 10, "failed": 1, "failures": {"timeout": 1}, "versions": [1]}.items()
    assert measured["p50_ms"] == pytest.approx(10, abs=0.1)
    assert {"per_second", "p99_ms"} <= measured.keys()
    load.failing = 0
    assert run(capsys, "loadtest", "--stage", "prod")[0] == 0
    assert cli.main(["loadtest", "--stage", "prod"]) == 0
    assert "1 of 10 s: 10 requests, 0 failed" in capsys.readouterr().err

    for _ in range(2):
        code, deleted = run(capsys, "endpoints", "delete", "--stage", "prod")
        assert (code, deleted["status"], deleted["served"]) == (0, "NotDeployed", None)


def test_train_launches_once_what_was_said(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = run(capsys, "train", "--preset", "balanced", "--epochs", "2", "--set", "lr=0.001", "--name", "a")
    assert (code, document["job"]) == (0, "a")
    _, job = run(capsys, "jobs", "show", "a")
    assert job["hyperparameters"].items() >= {"epochs": 2, "lr": 0.001, "model": "lean_c"}.items()
    assert job["kind"] == "training"
    run(capsys, "jobs", "stop", "a")


def test_train_takes_both_precisions_as_options(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "train", "--train-precision", "bfloat16", "--export", "int8-qat", "--name", "a")
    _, job = run(capsys, "jobs", "show", "a")
    assert job["hyperparameters"].items() >= {"train_precision": "bfloat16", "export": "int8-qat"}.items()
    run(capsys, "jobs", "stop", "a")
    code, refused = run(capsys, "train", "--export", "int4")
    assert (code, refused["error"]["kind"]) == (2, "InvalidInputError")


@pytest.mark.processes
def test_waiting_ends_with_the_job_and_its_verdict(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, done = run(capsys, "train", "--seed", "0", "--name", "good", "--wait")
    assert (code, done["status"], done["metrics"]["test_accuracy"]) == (0, "Completed", 0.95)
    assert len(done["sha256"]) == 64
    code, failed = run(capsys, "train", "--seed", "1", "--name", "bad", "--wait")
    assert (code, failed["status"], failed["failure_reason"]) == (1, "Failed", "The loss became NaN in epoch 2.")


def test_a_data_set_of_ones_own_is_named_by_its_path_from_here(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, refused = run(capsys, "train", "--dataset", "own.npz", "--name", "a")
    assert (code, refused["error"]["kind"]) == (2, "InvalidInputError")
    (tmp_path / "own.npz").touch()
    run(capsys, "train", "--dataset", "own.npz", "--name", "a", "--wait")
    _, job = run(capsys, "jobs", "show", "a")
    assert job["hyperparameters"]["dataset"] == str(tmp_path / "own.npz")


@pytest.mark.processes
def test_a_job_that_ended_badly_is_resumed_under_a_name_of_its_own(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "train", "--seed", "1", "--epochs", "2", "--name", "bad", "--wait")

    code, again = run(capsys, "jobs", "resume", "bad", "--wait")
    assert (code, again["job"], again["status"], again["resumed_from"]) == (1, "bad-r2", "Failed", "bad")
    code, third = run(capsys, "jobs", "resume", "bad-r2", "--wait")
    assert (code, third["job"], third["resumed_from"]) == (1, "bad-r3", "bad-r2")
    _, job = run(capsys, "jobs", "show", "bad-r3")
    assert job["hyperparameters"]["epochs"] == 2
    _, events = run(capsys, "audit", "--subject", "bad-r3")
    assert [(event["action"], event["before"]["job"]) for event in events] == [("resume", "bad-r2")]

    run(capsys, "train", "--seed", "0", "--name", "good", "--wait")
    code, refused = run(capsys, "jobs", "resume", "good")
    assert (code, refused["error"]["kind"]) == (4, "WrongStateError")


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (["train", "--set", "lr"], 2, "InvalidInputError"),
        (["train", "--lr", "7"], 2, "InvalidInputError"),
        (["train", "--name", "a b"], 2, "InvalidInputError"),
        (["train", "--set", "hard_examples=0.1"], 4, "RefusedError"),
        (["audit", "--since", "yesterday"], 2, "InvalidInputError"),
        (["jobs", "show", "nobody"], 3, "NotFoundError"),
        (["jobs", "logs", "nobody"], 3, "NotFoundError"),
        (["models", "show", "7"], 3, "NotFoundError"),
        (["predict", "no-such-file.png"], 3, "NotFoundError"),
        (["loadtest", "--concurrency", "65"], 2, "InvalidInputError"),
        (["loadtest", "--seconds", "0"], 2, "InvalidInputError"),
        (["loadtest", "--stage", "prod"], 5, "EndpointUnavailableError"),
        (["jobs", "stop", "done"], 4, "WrongStateError"),
        (["register", "failed"], 4, "WrongStateError"),
    ],
)
def test_errors_are_documents_with_an_exit_code(
    world: World, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, kind: str
) -> None:
    world.add_job("done")
    world.add_job("failed", JobStatus.FAILED)
    seen, document = run(capsys, *arguments)
    assert (seen, document["error"]["kind"]) == (code, kind)
    assert document["error"]["message"]


def test_stop_ends_jobs_and_suspends_endpoints(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.add_job("job-a")
    run(capsys, "register", "job-a")
    run(capsys, "models", "approve", "1")
    run(capsys, "promote", "1", "--to", "staging")
    run(capsys, "train", "--seed", str(trainer.HANGS), "--name", "hangs")
    code, document = run(capsys, "stop")
    assert (code, document) == (0, {"jobs": ["hangs"], "left": [], "operations": [], "busy": [], "elsewhere": {}})
    assert run(capsys, "jobs", "show", "hangs")[1]["status"] == "Stopped"
    staging = next(endpoint for endpoint in run(capsys, "endpoints")[1] if endpoint["stage"] == "staging")
    assert (staging["served"], staging["wanted"]["version"]) == (None, 1)
    assert ("suspend", "stage staging") in [(e["action"], e["subject"]) for e in run(capsys, "audit")[1]]


@pytest.mark.processes
def test_stop_waits_for_operations_and_says_which_still_run(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    operations = world.backend.operations
    with operations.joined("sync-1"):
        assert operations.running() == ["sync-1"]
        monkeypatch.setattr(serving, "_STOP_SECONDS", 0.5)
        code, document = run(capsys, "stop")
        assert (code, document["operations"]) == (1, ["sync-1"])
        assert cli.main(["stop"]) == 1
        assert "still running: sync-1" in capsys.readouterr().out

    monkeypatch.undo()
    monkeypatch.setattr(cli, "connect", lambda _: world.backend)
    ending = operations.joined("sync-1")
    ending.__enter__()
    Timer(0.5, ending.__exit__, (None, None, None)).start()
    code, document = run(capsys, "stop")
    assert (code, document["operations"]) == (0, [])


@pytest.mark.processes
def test_stop_lets_a_deployment_end_and_names_the_stage_that_still_has_one(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_job("job-a")
    run(capsys, "register", "job-a")
    run(capsys, "models", "approve", "1")
    run(capsys, "promote", "1", "--to", "prod")
    monkeypatch.setattr(serving, "_STOP_SECONDS", 0.5)
    with world.backend.serving.hold(Stage.PROD, "bob, deployment 7"):
        code, document = run(capsys, "stop")
        assert (code, document["busy"]) == (1, ["prod"])
        assert world.backend.serving.describe(Stage.PROD).status is EndpointStatus.IN_SERVICE
        assert cli.main(["stop"]) == 1
        assert "still running: the deployment to prod" in capsys.readouterr().out
    assert run(capsys, "stop")[0] == 0
    assert world.backend.serving.describe(Stage.PROD).status is EndpointStatus.FAILED
    events = [(event["action"], event["outcome"]) for event in run(capsys, "audit")[1]]
    assert [event for event in events if event[0] == "suspend"] == [("suspend", "done")]


def test_a_viewer_may_look_and_nothing_else(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = world.acting_as(Role.VIEWER)
    monkeypatch.setattr(cli, "connect", lambda _: viewer.backend)
    assert run(capsys, "jobs", "list") == (0, [])
    assert run(capsys, "train")[0] == 4


def test_what_others_wrote_cannot_command_the_terminal() -> None:
    assert table([{"reason": "bad\x1b[2J\x07news"}], "") == "reason\nbad [2J news"


def test_nor_can_a_reason_that_is_shown_whole(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["jobs", "show", "\x1b[2J"]) == 3
    assert "\x1b" not in capsys.readouterr().err


def test_what_the_machine_refuses_is_a_document_too(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.home.operation("quickstart-1").parent.mkdir(parents=True, exist_ok=True)
    world.home.operation("quickstart-1").write_text("a file where a folder should be")
    code, document = run(capsys, "quickstart", "--operation", "quickstart-1")
    assert (code, document["error"]["kind"]) == (5, "PlatformError")
    assert "quickstart-1" in document["error"]["message"]


def test_a_defect_is_a_document_with_the_id_that_the_log_has(
    world: World, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise ValueError("nobody expected this")

    monkeypatch.setattr(cli, "connect", broken)
    code, document = run(capsys, "audit")
    assert (code, document["error"]["kind"]) == (5, "PlatformError")
    assert caplog.messages[0].split()[0].strip("[]") in document["error"]["hint"]


def test_a_stage_that_is_down_is_restarted_by_command(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.add_job("job-a")
    run(capsys, "register", "job-a")
    run(capsys, "models", "approve", "1")
    run(capsys, "promote", "1", "--to", "staging")
    run(capsys, "stop")
    code, endpoint = run(capsys, "endpoints", "restart", "--stage", "staging")
    assert (code, endpoint["served"]["version"]) == (0, 1)
    assert ("restart", "stage staging") in [(e["action"], e["subject"]) for e in run(capsys, "audit")[1]]


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m backend audit --json | true; echo ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "DIGITS_HOME": str(tmp_path)}
    shell = ["bash", "-c", command]
    done = subprocess.run(shell, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("0", "")


def test_readme_names_every_verb_and_no_other() -> None:
    verbs = set(build_parser()._subparsers._group_actions[0].choices)
    table = (ROOT / "README.md").read_text().split("| verb |")[1].split("\n\n")[0]
    assert {word for row in table.splitlines() for word in re.findall(r"`([a-z-]+)[ `]", row)} == verbs
