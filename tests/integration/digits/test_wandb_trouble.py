"""The writer with the real SDK, in a process of its own: a training whose work is three metric rows."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import wandb

REPOSITORY = Path(__file__).parents[3]
CORE = Path(wandb.__file__).parent / "bin" / "wandb-core"
KEY = "0123456789abcdef0123456789abcdef01234567"

TRAINING = """
import sys, time
import numpy as np
from backend.digits import train

def work(config, folders, tracker, stop):
    tracker.start({"lr": config.lr})
    tracker.describe({"data": {"name": "mnist"}})
    for epoch in (1, 2, 3):
        tracker.log({"epoch": epoch, "val/accuracy": [0.5, 0.9, 0.8][epoch - 1]})
    tracker.summarise({"test/accuracy": 0.75})
    tracker.show("test/mistakes", np.zeros((2, 28, 28), np.uint8), ["a", "b"])
    print("worked", flush=True)

train.train_and_evaluate = work
train.main()
"""


@dataclass(frozen=True, kw_only=True)
class Ended:
    code: int
    output: str
    seconds: float
    folder: Path

    @property
    def summary(self) -> dict[str, Any]:
        """What W&B's own reader says of the one recorded run."""
        (file,) = self.folder.glob("wandb/*run-*-job-1/run-job-1.wandb")
        command = [
            CORE,
            "leet",
            "inspect",
            "--no-observability",
            "--summary",
            "--json",
            "--run-file",
            file,
            file.parent,
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        return dict(json.loads(result.stdout))


def train(folder: Path, *, script: str = TRAINING, arguments: tuple[str, ...] = (), **environment: str) -> Ended:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "SM_"))}
    environ = {**clean, "PYTHONPATH": str(REPOSITORY), "TRAINING_JOB_NAME": "job-1", "WANDB_DIR": str(folder)}
    environ |= {"HOME": str(folder), "NO_PROXY": "*", **environment}
    began = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
    )  # fmt: skip
    return Ended(code=result.returncode, output=result.stdout, seconds=time.monotonic() - began, folder=folder)


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


class _Stuck(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        self.server.released.wait(60)  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stuck_server() -> Iterator[str]:
    """Looks alive, and hangs as soon as W&B asks for anything."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Stuck)
    server.released = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.released.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_without_a_key_the_run_is_recorded_offline_and_whole(tmp_path: Path) -> None:
    ended = train(tmp_path)

    assert ended.code == 0
    assert ended.output == "worked\n"
    summary = ended.summary
    assert summary["exit_code"] == 0
    assert (summary["run_id"], summary["name"], summary["project"]) == ("job-1", "job-1", "digit_classification")
    assert summary["config"]["lr"] == 8e-3
    assert summary["config"]["data"] == {"name": "mnist"}
    assert summary["summary"]["val/accuracy"] == {"max": 0.9}
    assert summary["summary"]["test/accuracy"] == 0.75
    assert len(list(tmp_path.glob("wandb/*/files/media/images/test/*.png"))) in (1, 2)


def test_the_trials_of_a_search_are_a_group(tmp_path: Path) -> None:
    """W&B's own inspector does not show it, so the record's strings are looked for, each after its length."""
    train(tmp_path, WANDB_RUN_GROUP="the-search", WANDB_JOB_TYPE="a-trial")
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")  # beside it lies a link to the latest
    assert b"\x0athe-search" in file.read_bytes()
    assert b"\x07a-trial" in file.read_bytes()


def test_a_failed_training_is_a_failed_run(tmp_path: Path) -> None:
    ended = train(tmp_path, script=TRAINING.replace('print("worked", flush=True)', "raise ValueError"))

    assert ended.code == 1
    assert ended.summary["exit_code"] == 1


def test_a_server_that_is_not_there_leaves_an_offline_run(tmp_path: Path) -> None:
    ended = train(tmp_path, WANDB_API_KEY=KEY, WANDB_BASE_URL="http://127.0.0.1:9")

    assert ended.code == 0
    assert "[notice] W&B is in trouble: its server does not answer; the run is recorded offline." in ended.output
    assert ended.summary["exit_code"] == 0
    assert ended.seconds < 20


def test_a_server_that_says_nothing_leaves_an_offline_run(tmp_path: Path, silent_server: str) -> None:
    ended = train(tmp_path, WANDB_API_KEY=KEY, WANDB_BASE_URL=silent_server)

    assert ended.code == 0
    assert "its server does not answer" in ended.output
    assert ended.seconds < 20


def test_a_server_that_gets_stuck_later_is_given_up(tmp_path: Path, stuck_server: str) -> None:
    ended = train(tmp_path, WANDB_API_KEY=KEY, WANDB_BASE_URL=stuck_server)

    assert ended.code == 0
    assert "worked" in ended.output
    assert "[notice] W&B is in trouble" in ended.output
    assert ended.seconds < 20


def test_a_key_that_cannot_be_one_leaves_an_offline_run(tmp_path: Path, stuck_server: str) -> None:
    ended = train(tmp_path, WANDB_API_KEY="short", WANDB_BASE_URL=stuck_server)

    assert ended.code == 0
    assert "the run is recorded offline" in ended.output
    assert ended.summary["exit_code"] == 0


def test_a_folder_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    ended = train(tmp_path, WANDB_DIR=str(tmp_path / "file" / "below"), TMPDIR=str(tmp_path))

    assert ended.code == 0
    assert "worked" in ended.output
    assert ended.seconds < 20


def test_an_sdk_that_cannot_be_imported_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "wandb.py").write_text("raise RuntimeError('broken installation')")

    ended = train(tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{REPOSITORY}")

    assert ended.code == 0
    assert "[notice] W&B is in trouble: RuntimeError: broken installation." in ended.output


def test_an_sdk_that_hangs_does_not_keep_the_process(tmp_path: Path) -> None:
    (tmp_path / "wandb.py").write_text("import time\ntime.sleep(60)")

    ended = train(tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{REPOSITORY}")

    assert ended.code == 0
    assert "it did not finish in time" in ended.output
    assert ended.seconds < 20


def test_disabled_means_no_files_at_all(tmp_path: Path) -> None:
    ended = train(tmp_path, WANDB_MODE="disabled")

    assert (ended.code, ended.output) == (0, "worked\n")
    assert not (tmp_path / "wandb").exists()
