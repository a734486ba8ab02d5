"""The command line over a world in which staging serves version 1. Import `world` where it is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import backend.cli as cli
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from tests.fakes.backend import World, make_world
from tests.fakes.serving import FakeServing


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Staging serves version 1."""
    world = make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))
    monkeypatch.setattr(cli, "connect", lambda _: world.backend)
    world.add_job("job-1")
    world.backend.registration.register_job("job-1", actor=world.backend.actor)
    world.backend.registration.decide(1, Approval.APPROVED, actor=world.backend.actor)
    world.backend.promotion.promote(Stage.STAGING, 1, actor=world.backend.actor)
    return world


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Exit code and the one document that standard output must be."""
    code = cli.main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)
