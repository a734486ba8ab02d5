"""`guard`, `deployments` and `audit` on the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

import backend.cli as cli
from backend.domain.correlation import VARIABLE
from backend.domain.identity import Role
from backend.domain.registry import Approval
from backend.domain.serving import ServedModel, Stage
from tests.fakes.backend import World, make_world
from tests.fakes.serving import FakeServing


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Prod serves version 1; 2 is approved too."""
    world = make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))
    monkeypatch.setattr(cli, "connect", lambda _: world.backend)
    for number in (1, 2):
        world.add_job(f"job-{number}", sharpness=number)
        world.backend.registration.register_job(f"job-{number}", actor=world.backend.actor)
        world.backend.registration.decide(number, Approval.APPROVED, actor=world.backend.actor)
    world.backend.promotion.promote(Stage.PROD, 1, actor=world.backend.actor, deployment_id="prod-v1-first")
    return world


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Exit code and the one document that standard output must be."""
    code = cli.main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def drift(world: World) -> None:
    version = world.backend.registry.get(2)
    assert isinstance(world.backend.serving, FakeServing)
    world.backend.serving.load_past(
        Stage.PROD, ServedModel(version=2, sha256=version.sha256), world.backend.registry.fetch_archive(version)
    )


class TestGuard:
    def test_its_exit_code_tells_whoever_runs_it_by_the_clock(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, looks = run(capsys, "guard")
        assert (code, [look["well"] for look in looks]) == (0, [True, True])
        drift(world)
        code, looks = run(capsys, "guard")
        assert (code, {look["stage"]: look["well"] for look in looks}) == (1, {"staging": True, "prod": False})
        assert looks[1]["drift"][0] == {"what": "version", "wanted": "1", "served": "2"}
        assert looks[1]["wanted_by"] == "prod-v1-first"
        assert run(capsys, "guard", "--stage", "staging")[0] == 0

    def test_restore_and_accept_answer_as_a_promotion_does(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        drift(world)
        served = world.backend.registry.get(2).sha256
        assert run(capsys, "guard", "restore", "--stage", "prod", "--expected", "f" * 64)[0] == 4
        code, done = run(capsys, "guard", "restore", "--stage", "prod", "--expected", served)
        assert (code, done["kind"], done["outcome"], done["served"]["version"]) == (0, "restore", "Succeeded", 1)
        assert done["failed_requests"] == 0
        drift(world)
        code, done = run(capsys, "guard", "accept", "--stage", "prod")
        assert (code, done["kind"], done["outcome"], done["served"]["version"]) == (0, "promote", "Succeeded", 2)
        assert run(capsys, "guard")[0] == 0

    def test_what_cannot_be_put_right_is_refused(
        self, world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert run(capsys, "guard", "restore")[0] == 2
        assert run(capsys, "guard", "accept", "--stage", "prod")[1]["error"]["kind"] == "WrongStateError"
        drift(world)
        viewer = world.acting_as(Role.VIEWER).backend
        monkeypatch.setattr(cli, "connect", lambda _: viewer)
        assert run(capsys, "guard", "restore", "--stage", "prod")[0] == 4
        assert run(capsys, "guard")[0] == 1  # whoever may look is told


class TestDeployments:
    def test_a_deployment_with_its_evidence(
        self, world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        (listed,) = run(capsys, "deployments", "list", "--stage", "prod")[1]
        file = tmp_path / "evidence.html"
        code, shown = run(capsys, "deployments", "show", listed["deployment"], "--html", str(file))
        assert (code, shown["deployment"], shown["model"]["version"]) == (0, "prod-v1-first", 1)
        assert shown["decision"]["verb"] == "approve"
        assert [event["action"] for event in shown["events"]] == ["promote"]
        assert shown["correlation"] == listed["correlation"] == shown["events"][0]["correlation"]
        assert "prod: nothing → v1, Succeeded" in file.read_text()
        assert run(capsys, "deployments", "show", "prod-v9-x")[0] == 3
        assert run(capsys, "deployments", "show", "prod-v1-first", "--html", str(tmp_path / "no" / "x"))[0] == 2

    def test_what_was_in_prod_at_a_moment(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        code, then = run(capsys, "deployments", "at", "prod", "2026-01-01")
        assert (code, then["served"], then["deployment"]) == (0, None, None)
        code, then = run(capsys, "deployments", "at", "prod", "2099-01-01T00:00+02:00")
        assert (then["served"]["version"], then["deployment"], then["by"]) == (1, "prod-v1-first", "ada")
        assert then["at"] == "2099-01-01T00:00:00.000+02:00"
        assert run(capsys, "deployments", "at", "prod", "yesterday")[0] == 2
        world.backend.endpoints.delete(Stage.PROD, actor=world.backend.actor)
        assert cli.main(["deployments", "at", "prod", "2099-01-01"]) == 0
        assert "prod served nothing at 2099-01-01 00:00:00 UTC: ada deleted it" in capsys.readouterr().out


class TestAudit:
    def test_it_filters_and_says_what_it_left_out(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        assert [event["action"] for event in run(capsys, "audit", "list", "--doing", "promote")[1]] == ["promote"]
        assert run(capsys, "audit", "--text", "job-2")[1][0]["subject"] == "job job-2"
        assert run(capsys, "audit", "--until", "2020-01-01")[1] == []
        assert run(capsys, "audit", "--since", "yesterday")[0] == 2
        cli.main(["audit", "--limit", "1"])
        assert "4 older ones are not shown" in capsys.readouterr().out

    def test_it_is_exported(self, world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        file = tmp_path / "audit.csv"
        assert run(capsys, "audit", "--csv", str(file))[1] == {"file": str(file), "events": 5}
        assert len(list(csv.DictReader(io.StringIO(file.read_text())))) == 5

    def test_what_is_done_on_behalf_of_a_request_has_its_id(
        self, world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(VARIABLE, "click-42")
        done = run(capsys, "promote", "2", "--to", "prod")[1]
        assert done["correlation"] == "click-42"
        assert [event["action"] for event in run(capsys, "audit", "--correlation", "click-42")[1]] == ["promote"]
        refused = run(capsys, "promote", "1", "--to", "prod", "--expected", "none")[1]
        assert refused["error"]["reference"] == "click-42"
