"""Runs of this machine and of a server in one list: the server's death takes nothing of the other's away."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backend.adapters.wandb.cloud import CloudRuns
from backend.adapters.wandb.cloud_process import CloudProcess
from backend.adapters.wandb.cloud_trouble import Asked
from backend.domain.tracking import RunSource
from backend.errors import NotFoundError, PlatformError
from backend.services.runs import Runs
from tests.fakes.tracking import FakeRuns
from tests.fakes.wandb_server import ENTITY, KEY, WandbServer
from tests.fakes.wandb_store import StoredRun, curve

PROJECT = "digit_classification"
BOTH = (RunSource.OFFLINE, RunSource.CLOUD)


@pytest.fixture
def server() -> Iterator[WandbServer]:
    """Has `both` whole, `half` with half its steps, and `there`."""
    server = WandbServer()
    for run_id, rows in (("both", 4), ("half", 2), ("there", 3)):
        server.add(StoredRun(id=run_id, tags=["seen"], history=curve(rows, loss=0.5)))
    yield server
    server.close()


@pytest.fixture
def runs(server: WandbServer, tmp_path: Path) -> Iterator[Runs]:
    """This machine has `both`, `half` and `here`, of four steps each."""
    offline = FakeRuns()
    for run_id in ("both", "half", "here"):
        offline.add_run(run_id, {"loss": [4.0, 3.0, 2.0, 1.0]}, folders=(f"/runs/{run_id}",), tags=("own",))
    process = CloudProcess(os.environ, key=KEY, base_url=server.url, entity=ENTITY, log=tmp_path / "log")
    asked = Asked(base_url=server.url, entity=ENTITY, project=PROJECT)
    cloud = CloudRuns(process, asked, folder=tmp_path, clock=lambda: datetime.now(UTC))
    runs = Runs([offline, cloud])
    settle(runs)
    yield runs
    process.close()


def settle(runs: Runs) -> None:
    runs.refresh()
    deadline = time.monotonic() + 30
    while any(source.refreshing for source in runs.sources()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_run_that_both_have_is_one_run(runs: Runs, server: WandbServer) -> None:
    found = {run.id: run for run in runs.list_runs().runs}
    assert {run_id: (run.sources, run.synced) for run_id, run in found.items()} == {
        "both": (BOTH, True),
        "half": (BOTH, False),
        "here": ((RunSource.OFFLINE,), False),
        "there": ((RunSource.CLOUD,), True),
    }
    assert found["both"].url == f"{server.url}/acme/{PROJECT}/runs/both"
    assert found["both"].tags == ("own", "seen")
    histories = runs.histories([run.key for run in found.values()])
    assert {key.rpartition("/")[2]: len(history) for key, history in histories.items()} == {
        "both": 4,
        "half": 4,
        "here": 4,
        "there": 3,
    }
    assert histories[found["both"].key].columns["loss"][-1] == 1.0  # the files of this machine, not the server's


def test_a_server_that_dies_leaves_the_others_alone_and_its_own_as_they_were(runs: Runs, server: WandbServer) -> None:
    before = runs.list_runs().runs
    server.close()
    settle(runs)
    offline, cloud = runs.sources()
    assert (offline.error, offline.stale) == ("", False)
    assert "connection refused" in cloud.error
    assert cloud.stale and cloud.as_of is not None
    after = runs.list_runs().runs
    assert [(run.key, run.synced) for run in after] == [(run.key, run.synced) for run in before]
    assert runs.get_run("here").id == "here"
    assert len(runs.histories([run.key for run in after])) == 3
    with pytest.raises(PlatformError, match="cannot be reached"):
        runs.console(f"{PROJECT}/there")
    with pytest.raises(PlatformError, match="cannot be reached"):
        runs.get_run("perhaps-on-the-server")


def test_a_run_that_nobody_has_is_said_to_be_nowhere(runs: Runs) -> None:
    with pytest.raises(NotFoundError):
        runs.get_run("nowhere")
