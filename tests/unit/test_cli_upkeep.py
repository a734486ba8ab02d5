"""endpoints traffic, logs and extend, and the guard that ends a time to live, by command."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import backend.cli as cli
from backend.adapters.local.database import Database
from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.traffic import LocalTraffic
from backend.domain.capabilities import Feature
from backend.domain.lifetimes import Lifetime
from backend.domain.serving import Stage
from backend.domain.traffic import Sample
from tests.fakes.backend import World
from tests.fakes.command_line import run, world

__all__ = ["world"]


def test_traffic_tells_samples_answers_and_since_when_nobody_asks(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    digit = tmp_path / "digit.npy"
    np.save(digit, np.full((28, 28), 200, np.uint8))
    run(capsys, "predict", "--stage", "staging", str(digit), str(digit))
    at = datetime.now(UTC)
    LocalTraffic(Database(world.home.database)).keep(
        Stage.STAGING, Sample(at=at, seconds=60, version=1, requests=120, failed=1, p99_ms=2.5)
    )
    code, document = run(capsys, "endpoints", "traffic", "--stage", "staging", "--span", "15m")
    assert code == 0
    (sample,) = document["samples"]
    assert (sample["per_second"], sample["failed"], sample["p99_ms"]) == (2.0, 1, 2.5)
    answers = document["answers"]
    assert (answers["tallies"][0]["n"], answers["drift"]["shift"], answers["failed"]) == (2, "MixTooFew", 0)
    assert answers["drift"]["p_value"] is None
    assert document["idle"]["seconds"] < 60
    assert cli.main(["endpoints", "traffic", "--stage", "staging"]) == 0
    assert "2 of the 100" in capsys.readouterr().out
    assert run(capsys, "endpoints", "traffic", "--stage", "prod")[1]["idle"] is None


def test_logs_are_printed_from_their_end(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    folder = EndpointFolder(world.home.root, Stage.STAGING)
    folder.root.mkdir(parents=True)
    folder.triton_log.write_text("first\nsecond\n")
    code, document = run(capsys, "endpoints", "logs", "--stage", "staging", "--bytes", "7")
    assert (code, document["text"], document["size"]) == (0, "second\n", 13)
    assert run(capsys, "endpoints", "logs", "--stage", "staging", "--source", "nobody")[0] == 3
    assert run(capsys, "endpoints", "logs", "--stage", "staging", "--bytes", "0")[0] == 2


def test_the_time_to_live_is_shown_extended_and_lifted(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    extend = ("endpoints", "extend", "--stage", "staging")
    assert run(capsys, *extend)[1]["until"] is None
    code, document = run(capsys, *extend, "--hours", "0.5")
    left = datetime.fromisoformat(document["until"]) - datetime.now(UTC)
    assert code == 0 and timedelta(minutes=29) < left <= timedelta(minutes=30)
    assert run(capsys, *extend)[1] == document
    assert run(capsys, *extend, "--no-limit")[1]["until"] is None
    assert run(capsys, *extend, "--hours", "1", "--no-limit")[0] == 2
    assert run(capsys, "endpoints", "extend", "--stage", "prod", "--hours", "1")[0] == 2


def test_the_guard_takes_down_what_is_over_where_nobody_else_does(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.backend.lifetimes.keep(Stage.STAGING, Lifetime(until=datetime(2026, 1, 1, tzinfo=UTC)))
    assert run(capsys, "guard")[1][0]["status"] == "InService"  # here the runner sees to it
    world.backend.serving.unsupported = {Feature.TAKE_DOWN: "Nobody runs there."}
    code = cli.main(["guard", "--json"])
    said = capsys.readouterr()
    assert (code, json.loads(said.out)[0]["status"]) == (0, "NotDeployed")
    assert "digit-classification-staging is taken down: its time was over" in said.err
