"""Serving from the command line on `--platform sagemaker`: every verb in a process of its own, over the fake AWS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.adapters.triton.canary import canary_images
from tests.contract.promotion_platforms import sagemaker_shop
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.hosted import INSTANCE
from tests.fakes.backend import NOON
from tests.integration.sagemaker.commands import run

pytestmark = pytest.mark.processes


def test_a_stage_is_promoted_asked_scaled_rolled_back_and_deleted(aws: FakeAws, tmp_path: Path) -> None:
    sagemaker_shop(aws, tmp_path).stock(tmp_path)
    aws.serving.limit_instances(INSTANCE, 8)
    home = tmp_path / "home"
    _, versions, _ = run(aws, home, "models", "list")
    assert [(version["version"], version["approval"]) for version in versions] == [
        (number, "Approved") for number in (3, 2, 1)
    ]
    code, plan, told = run(aws, home, "promote", "1", "--to", "staging", "--plan")
    assert (code, plan["changes_nothing"]) == (0, False), told
    for number in (1, 2):
        code, done, told = run(aws, home, "promote", str(number), "--to", "staging")
        assert (code, done["outcome"], done["served"]["version"]) == (0, "Succeeded", number), told
    code, refused, _ = run(aws, home, "promote", "3", "--to", "staging", "--expected", "none")
    assert (code, refused["error"]["kind"]) == (4, "StalePlanError")

    picture = tmp_path / "seven.npy"
    np.save(picture, np.rint(canary_images()[7, :, :, 0] * 255).astype(np.uint8))
    _, (answer,), _ = run(aws, home, "predict", str(picture), "--stage", "staging")
    assert (answer["label"], answer["version"]) == (7, 2)

    code, alarms, _ = run(aws, home, "endpoints", "alarms", "--stage", "staging")
    assert (code, len(alarms["alarms"])) == (0, 2)
    code, scale, _ = run(aws, home, "endpoints", "scale", "--stage", "staging", "--instances", "2")
    assert (code, scale["desired"]) == (0, 2)
    automatic = ("--min", "1", "--max", "3", "--per-minute", "600")
    code, scale, _ = run(aws, home, "endpoints", "scale", "--stage", "staging", *automatic)
    assert (code, scale["automatic"]) == (0, {"minimum": 1, "maximum": 3, "per_minute": 600})
    code, refused, _ = run(aws, home, "endpoints", "scale", "--stage", "staging", "--instances", "1")
    assert (code, refused["error"]["kind"]) == (4, "WrongStateError")
    code, scale, _ = run(aws, home, "endpoints", "scale", "--stage", "staging", "--by-hand")
    assert (code, scale["automatic"]) == (0, None)

    aws.serving.endpoints.fail_next("No capacity in the zone.")
    code, back, _ = run(aws, home, "promote", "3", "--to", "staging")
    assert (code, back["outcome"], back["served"]["version"]) == (1, "RolledBack", 2)
    assert "No capacity in the zone." in str(back)
    code, done, _ = run(aws, home, "rollback", "--stage", "staging")
    assert (code, done["outcome"], done["served"]["version"]) == (0, "Succeeded", 1)
    _, endpoints, _ = run(aws, home, "endpoints")
    assert [(endpoint["stage"], endpoint["status"]) for endpoint in endpoints] == [
        ("staging", "InService"),
        ("prod", "NotDeployed"),
    ]
    code, load, told = run(aws, home, "loadtest", "--stage", "staging", "--seconds", "1", "--concurrency", "2")
    assert (code, load["failed"], load["versions"], load["requests"] > 2) == (0, 0, [1], True), told
    code, refused, _ = run(aws, home, "loadtest", "--stage", "staging", "--seconds", "1", "--concurrency", "9")
    assert (code, refused["error"]["kind"]) == (2, "InvalidInputError")
    assert "expected 1 to 8 here" in refused["error"]["message"]
    code, gone, _ = run(aws, home, "endpoints", "delete", "--stage", "staging")
    assert (code, gone["status"]) == (0, "NotDeployed")
    _, events, _ = run(aws, home, "audit")
    told_of = {(event["action"], event["outcome"]) for event in events}
    assert told_of >= {
        ("promote", "Succeeded"),
        ("promote", "RolledBack"),
        ("rollback", "Succeeded"),
        ("scale", "done"),
    }
    assert told_of >= {("set alarms", "done"), ("delete", "done"), ("promote", "refused")}


def test_the_doctor_looks_at_the_account(aws: FakeAws, tmp_path: Path) -> None:
    code, document, _ = run(aws, tmp_path, "doctor")
    checks = {check["name"]: check for check in document["checks"]}
    assert code == 1
    assert checks["AWS identity"]["ok"] and checks["Bucket"]["ok"]
    assert checks["Staging alarms"]["fix"] == "python -m backend endpoints alarms --stage staging"


def test_stopping_this_machine_leaves_the_accounts_jobs_and_endpoints_alone(aws: FakeAws, tmp_path: Path) -> None:
    aws.training.add("digits-hers", created=NOON, TrainingJobStatus="InProgress", Environment={"DIGITS_JOB": "hers"})
    asked_before = len(aws.server.requests("StopTrainingJob"))
    code, stopped, _ = run(aws, tmp_path / "home", "stop")
    assert (code, stopped["jobs"], stopped["left"]) == (0, [], [])
    assert len(aws.server.requests("StopTrainingJob")) == asked_before == 0
    assert "may be a colleague's" in stopped["elsewhere"]["jobs"]
    assert "does not run on this machine" in stopped["elsewhere"]["endpoints"]
