"""`endpoints restart`, the Restart button's service, and `make stop`: real commands against real servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.local.processes import is_held
from backend.adapters.triton.load import TritonLoad
from backend.domain.promotion import Outcome
from backend.domain.registry import Approval
from backend.domain.serving import EndpointStatus, Stage
from tests.contract.serving_platforms import ROOT, SERVING_ENV
from tests.contract.training_platforms import wait_until
from tests.fakes.backend import World, make_world

pytestmark = pytest.mark.triton

STAGE = Stage.STAGING


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Version 1 serves on staging, version 2 is approved."""
    world = make_world(tmp_path, LocalEndpoints(tmp_path, SERVING_ENV), TritonLoad())
    actor = world.backend.actor
    for number in (1, 2):
        world.add_job(f"job-{number}", sharpness=float(number))
        world.backend.registration.register_job(f"job-{number}", actor=actor)
        world.backend.registration.decide(number, Approval.APPROVED, actor=actor)
    assert world.backend.promotion.promote(STAGE, 1, actor=actor).outcome is Outcome.SUCCEEDED
    yield world
    world.backend.serving.delete(STAGE)


def started(world: World, *verb: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "backend", *verb, "--json"],
        cwd=ROOT,
        env={**os.environ, "DIGITS_HOME": str(world.home.root)},
        stdout=subprocess.PIPE,
        text=True,
    )


def answered(process: subprocess.Popen[str]) -> tuple[int, Any]:
    out, _ = process.communicate(timeout=60)
    return process.returncode, json.loads(out)


def test_a_stage_whose_supervisor_was_killed_serves_again_after_the_command(world: World) -> None:
    folder = EndpointFolder(world.home.root, STAGE)
    status, address = folder.status(), world.backend.serving.describe(STAGE).url
    assert status is not None
    os.kill(status.pid, signal.SIGKILL)
    wait_until(lambda: not is_held(folder.lock), 5)
    _, (staging, _) = answered(started(world, "endpoints"))
    assert (staging["status"], staging["served"], staging["wanted"]["version"]) == ("Failed", None, 1)

    code, answer = answered(started(world, "endpoints", "restart", "--stage", "staging"))
    assert (code, answer["stage"]) == (0, "staging")

    wait_until(lambda: world.backend.serving.describe(STAGE).status is EndpointStatus.IN_SERVICE, 15)
    endpoint = world.backend.serving.describe(STAGE)
    assert (endpoint.in_step, endpoint.url) == (True, address)


def test_stop_lets_a_deployment_end_before_it_takes_the_server_away(world: World) -> None:
    promotion = started(world, "promote", "2", "--to", "staging", "--deployment", "under-way")
    wait_until(lambda: is_held(EndpointFolder(world.home.root, STAGE).deploy_lock), 30)
    assert promotion.poll() is None

    code, document = answered(started(world, "stop"))

    assert (code, document) == (0, {"jobs": [], "left": [], "operations": [], "busy": [], "elsewhere": {}})
    code, deployment = answered(promotion)
    assert (code, deployment["outcome"]) == (0, "Succeeded")
    endpoint = world.backend.serving.describe(STAGE)
    assert (endpoint.status, endpoint.served) == (EndpointStatus.FAILED, None)
    assert endpoint.wanted is not None
    assert endpoint.wanted.version == 2

    world.backend.endpoints.restart(STAGE, actor=world.backend.actor)
    wait_until(lambda: world.backend.serving.describe(STAGE).status is EndpointStatus.IN_SERVICE, 15)
