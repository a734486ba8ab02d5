"""The whole way: runs that W&B's library recorded, `python -m backend runs sync`, a server, and the list of runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.training_platforms import wait_until
from tests.fakes.wandb_server import ENTITY, KEY, WandbServer

ROOT = Path(__file__).resolve().parents[3]
RECORDING = """
import sys, wandb
for name in sys.argv[1:]:
    run = wandb.init(id=name, name=name, settings=wandb.Settings(console="off", disable_git=True))
    for step in range(10):
        run.log({"val/loss": 1 / (1 + step)})
    run.finish()
wandb.teardown()
"""


class Setting:
    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self.server = WandbServer()
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "DIGITS"))}
        self.environment = {
            **clean,
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "DIGITS_HOME": str(self.home),
            "WANDB_API_KEY": KEY,
            "WANDB_BASE_URL": self.server.url,
            "WANDB_ENTITY": ENTITY,
        }

    def record(self, *names: str) -> None:
        environment = {
            **self.environment,
            "WANDB_MODE": "offline",
            "WANDB_DIR": str(self.home),
            "WANDB_PROJECT": "digit_classification",
            "WANDB_SILENT": "true",
            "WANDB_ERROR_REPORTING": "false",
        }
        subprocess.run([sys.executable, "-c", RECORDING, *names], env=environment, check=True, timeout=120)
        time.sleep(0.2)  # the library may return some milliseconds before its last block is on disk

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "backend", "runs", *arguments, "--json"]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.environment, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)

    def run(self, *arguments: str) -> tuple[int, Any]:
        process = self.begin(*arguments)
        out, err = process.communicate(timeout=120)
        assert KEY not in out + err
        return process.returncode, json.loads(out)

    def listed(self) -> dict[str, tuple[str, bool]]:
        return {run["id"]: (run["source"], run["synced"]) for run in self.run("list")[1]}


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    setting = Setting(tmp_path)
    yield setting
    setting.server.close()


def test_all_runs_arrive_and_a_second_sync_has_nothing_to_do(setting: Setting) -> None:
    setting.record("one", "two")
    assert setting.listed() == {"one": ("offline", False), "two": ("offline", False)}
    code, document = setting.run("sync", "--all")
    assert (code, document["status"]) == (0, "Completed")
    assert {run["detail"] for run in document["runs"]} == {"seen on W&B with step 9 and 10 rows."}
    assert {run.id: run.last_step for run in setting.server.runs().values()} == {"one": 9, "two": 9}
    assert setting.run("sync", "--all")[1]["runs"] == []
    assert setting.listed() == {"one": ("offline+cloud", True), "two": ("offline+cloud", True)}
    kept = [file for file in setting.home.rglob("*") if file.is_file()]
    assert [file for file in kept if KEY.encode() in file.read_bytes()] == []


def test_one_that_is_killed_goes_on_where_it_was_and_two_at_once_are_refused(setting: Setting) -> None:
    setting.record("one", "two")
    setting.server.hang("file_stream")
    process = setting.begin("sync", "one", "two")
    wait_until(lambda: "file_stream" in setting.server.asked, 60)
    code, refused = setting.run("sync", "two")
    assert (code, refused["error"]["kind"]) == (4, "WrongStateError")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    setting.server.heal()
    code, document = setting.run("sync", "--all")
    assert (code, document["operation"], len(document["runs"])) == (0, "sync-2", 2)
    assert {run.id: len(run.history) for run in setting.server.runs().values()} == {"one": 10, "two": 10}


def test_a_dead_server_fails_at_once_and_with_the_reason(setting: Setting) -> None:
    setting.record("one")
    setting.server.close()
    begun = time.monotonic()
    code, document = setting.run("sync", "--all")
    assert (code, document["status"], document["runs"][0]["status"]) == (1, "Failed", "Pending")
    assert "cannot be reached: connection refused" in document["failure"]
    assert time.monotonic() - begun < 40
    assert setting.listed() == {"one": ("offline", False)}
