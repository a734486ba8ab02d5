"""What every workflow has: pinned actions, named permissions, no fork, no long-lived key, and commands that exist."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from backend.cli.parser import build_parser
from tests.integration.delivery.workflows import PYTHON, commands, workflow

DEPLOYING = ("deploy-stage", "teardown-stage", "deploy-prod")
JOBS = [(name, job) for name in DEPLOYING for job in workflow(name)["jobs"]]


@pytest.mark.parametrize("name", DEPLOYING)
def test_a_workflow_gives_nothing_by_default_and_never_runs_a_forks_code_with_rights(name: str) -> None:
    document = workflow(name)
    assert document["permissions"] == {}
    assert "pull_request_target" not in document["on"]


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_a_job_is_pinned_limited_and_signs_in_by_oidc(name: str, job: str) -> None:
    told: dict[str, Any] = workflow(name)["jobs"][job]
    assert set(told["permissions"]) <= {"contents", "id-token", "pull-requests"}
    assert (told["permissions"]["contents"], told["permissions"]["id-token"]) == ("read", "write")
    assert told["environment"] in ("staging", "production")
    assert told["timeout-minutes"] <= 55
    if job != "plan":
        assert told["concurrency"]["cancel-in-progress"] is False
    if "pull_request" in workflow(name)["on"] and job != "expired":
        assert "head.repo.full_name == github.repository" in told["if"]
    for step in told["steps"]:
        if "uses" in step:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"])
        assert "secrets." not in str(step)
        assert "${{" not in step.get("run", ""), "an expression in a script is whatever somebody named their branch"


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_a_jobs_commands_are_the_products(name: str, job: str) -> None:
    steps = commands(name, job)
    assert steps
    for step in steps:
        words = shlex.split(re.sub(r"\$\w+|\$\{[^}]+\}", "7", step["run"]))
        assert words[:3] == [PYTHON, "-m", "backend"]
        build_parser().parse_args(words[3:])


def test_who_closes_waits_for_who_deploys() -> None:
    group = workflow("deploy-stage")["jobs"]["staging"]["concurrency"]["group"]
    assert workflow("teardown-stage")["jobs"]["closed"]["concurrency"]["group"] == group
    assert workflow("deploy-prod")["jobs"]["prod"]["concurrency"]["group"] == "prod"
