"""Starting again and again, with other programs in Triton's place."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from backend.adapters.local import endpoint_server
from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.endpoint_server import SupervisedServer
from backend.domain.serving import Stage
from backend.errors import EndpointUnavailableError


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is started instead of Triton: the test's list of commands, from the front; the last one stays."""
    commands: list[list[str]] = []

    def start(*_: object, **__: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(commands.pop(0) if len(commands) > 1 else commands[0])

    monkeypatch.setattr(endpoint_server, "locate", lambda _: None)
    monkeypatch.setattr(endpoint_server.triton, "install_backends", lambda *_: None)
    monkeypatch.setattr(endpoint_server.triton, "start", start)
    return commands


@pytest.fixture
def server(tmp_path: Path) -> SupervisedServer:
    return SupervisedServer(EndpointFolder(tmp_path, Stage.PROD), tmp_path, Stage.PROD)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def use_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(endpoint_server, "time", clock)
    return clock


def test_one_that_keeps_ending_is_said_to_and_started_ever_more_rarely(
    server: SupervisedServer, starts: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    starts.append([sys.executable, "-c", "raise SystemExit(7)"])
    clock = use_clock(monkeypatch)
    started: list[float] = []
    said: set[str] = set()
    for _ in range(60):
        try:
            server.keep_running()
            if server.pid:
                process: Any = server._process
                process.wait()
                started.append(clock.now)
                server.keep_running()
        except EndpointUnavailableError as error:
            said.add(error.message)
        clock.now += 0.5
    gaps = [later - earlier for earlier, later in pairwise(started)]
    assert gaps == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert said == {"Triton ended with exit status 7. It is started again in a moment; see triton.log."}


def test_a_signal_is_named(server: SupervisedServer, starts: list[list[str]]) -> None:
    starts.append([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    server.keep_running()
    process: Any = server._process
    process.wait()
    server.keep_running()
    assert server.last_exit == "Triton was ended by SIGKILL."
    server.stop()


def test_a_stranger_at_the_address_is_not_taken_for_ours(
    server: SupervisedServer, starts: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    starts.append([sys.executable, "-c", "import time; time.sleep(60)"])
    names = iter(["digit-classification-staging-other", "late"])
    monkeypatch.setattr(endpoint_server.TritonClient, "server_name", lambda *_, **__: next(names))
    assert not server.keep_running()
    assert not server.keep_running()
    monkeypatch.setattr(server, "_id", "late")
    assert server.keep_running()
    server.stop()
    assert server.pid == 0
    assert not server.is_ready


def test_one_that_never_answers_is_replaced(
    server: SupervisedServer, starts: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    starts.append([sys.executable, "-c", "import time; time.sleep(60)"])
    clock = use_clock(monkeypatch)
    server.keep_running()
    first = server.pid
    clock.now += endpoint_server.START_TIMEOUT_S + 1
    assert not server.keep_running()
    assert server.pid == 0
    server.keep_running()
    assert server.pid not in (0, first)
    server.stop()
