"""What a stage keeps on disk, how its state is judged, and its ports."""

from __future__ import annotations

import os
import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backend.adapters.local import endpoint_ports
from backend.adapters.local.endpoint_folder import EndpointFolder, RunnerState, RunnerStatus, Wanted, take_lock
from backend.adapters.local.endpoint_look import Look
from backend.adapters.local.endpoint_ports import choose_ports, describe_taken
from backend.adapters.local.endpoint_state import judge
from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.local.processes import LockHeldError, is_held
from backend.adapters.triton.server import Ports, free_ports
from backend.domain.drift import Difference
from backend.domain.serving import EndpointStatus, ServedModel, Stage
from backend.errors import EndpointUnavailableError, SetupError, StoreError
from tests.contract import archives

ONE = ServedModel(version=1, sha256="a" * 64)
TWO = ServedModel(version=2, sha256="b" * 64)
SERVES_ONE = Look(loaded=True, served=ONE)
DRIFT = (Difference(what="version", wanted="1", served="2"),)
WANTED = Wanted(model=ONE, onnx_sha256="c" * 64, config={"backend": "onnxruntime"}, since=datetime.now(UTC))


@pytest.fixture
def folder(tmp_path: Path) -> EndpointFolder:
    return EndpointFolder(tmp_path, Stage.STAGING)


def running(state: RunnerState = RunnerState.RUNNING, detail: str = "") -> RunnerStatus:
    return RunnerStatus(state=state, pid=1, takes_loads=True, detail=detail)


def test_what_is_written_is_read_back(folder: EndpointFolder) -> None:
    assert (folder.wanted(), folder.status(), folder.ports()) == (None, None, None)
    folder.want(WANTED)
    folder.say(running(RunnerState.REPAIRING, "why"))
    folder.keep_ports(Ports(http=1, grpc=2, metrics=3))
    assert folder.wanted() == WANTED
    assert folder.status() == running(RunnerState.REPAIRING, "why")
    assert folder.ports() == Ports(http=1, grpc=2, metrics=3)
    assert sorted(path.name for path in folder.root.iterdir()) == ["ports.json", "status.json", "wanted.json"]
    folder.want_nothing()
    folder.want_nothing()
    assert folder.wanted() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": "x"}', '{"version": 1, "sha256": "a"}'])
def test_a_damaged_file_is_named_and_described_not_raised(folder: EndpointFolder, tmp_path: Path, content: str) -> None:
    folder.root.mkdir(parents=True)
    (folder.root / "wanted.json").write_text(content)
    with pytest.raises(StoreError, match=r"'wanted\.json' of the endpoint 'staging'"):
        folder.wanted()
    endpoint = LocalEndpoints(tmp_path, tmp_path).describe(Stage.STAGING)
    assert endpoint.status is EndpointStatus.FAILED
    assert "wanted.json" in endpoint.detail


def test_a_probe_is_not_taken_for_a_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    take_lock(path).release()
    stop = threading.Event()

    def probe() -> None:
        while not stop.is_set():
            is_held(path)

    prober = threading.Thread(target=probe)
    prober.start()
    for _ in range(200):
        take_lock(path).release()
    stop.set()
    prober.join()
    with take_lock(path):
        begun = time.monotonic()
        with pytest.raises(LockHeldError):
            take_lock(path, patience_s=0.05)
        assert time.monotonic() - begun < 0.5


@pytest.mark.parametrize(
    ("seen", "status", "changing", "expected", "said"),
    [
        (SERVES_ONE, running(), False, EndpointStatus.IN_SERVICE, ""),
        (SERVES_ONE, running(), True, EndpointStatus.UPDATING, "being loaded"),
        (
            Look(loaded=True, served=TWO, unfinished=True),
            running(),
            False,
            EndpointStatus.UPDATING,
            "Version 2 answers, wanted is version 1",
        ),
        (Look(loaded=True, served=TWO, drift=DRIFT), running(), False, EndpointStatus.IN_SERVICE, ""),
        (
            Look(),
            running(RunnerState.STARTING, "Triton was ended by SIGKILL."),
            False,
            EndpointStatus.UPDATING,
            "SIGKILL",
        ),
        (SERVES_ONE, running(RunnerState.REPAIRING, "Stub died."), False, EndpointStatus.UPDATING, "Stub died."),
        (Look(), running(RunnerState.FAILED, "Port 18000 is taken."), False, EndpointStatus.FAILED, "Port 18000"),
        (Look(), None, False, EndpointStatus.FAILED, "supervisor ended"),
    ],
)
def test_the_state_of_a_stage(
    seen: Look, status: RunnerStatus | None, changing: bool, expected: EndpointStatus, said: str
) -> None:
    state, detail = judge(ONE, seen, status, changing=changing)
    assert state is expected
    assert said in detail
    assert bool(detail) is (state is not EndpointStatus.IN_SERVICE)


def test_a_machine_without_triton_says_so_when_something_is_deployed(tmp_path: Path) -> None:
    endpoints = LocalEndpoints(tmp_path / "home", tmp_path / "no-environment")
    path = archives.good_archive(tmp_path / "model.tar.gz")
    target = ServedModel(version=1, sha256=archives.digest_of(path))
    with pytest.raises(SetupError, match="does not exist"):
        endpoints.deploy(Stage.STAGING, target, path, lambda *_: None)
    assert endpoints.describe(Stage.STAGING).status is EndpointStatus.NOT_DEPLOYED
    EndpointFolder(tmp_path / "home", Stage.STAGING).want(WANTED)
    with pytest.raises(SetupError, match="does not exist"):
        endpoints.resume(Stage.STAGING)


def test_a_stage_without_a_runner_does_not_ask_whoever_is_at_its_address(
    folder: EndpointFolder, tmp_path: Path
) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        folder.want(WANTED)
        folder.say(running())
        folder.keep_ports(Ports(http=stranger.getsockname()[1], grpc=2, metrics=3))
        endpoint = LocalEndpoints(tmp_path, tmp_path).describe(Stage.STAGING)
        assert (endpoint.status, endpoint.served, endpoint.url) == (EndpointStatus.FAILED, None, "")
        with pytest.raises(EndpointUnavailableError, match="'staging' is down"):
            LocalEndpoints(tmp_path, tmp_path).predict(Stage.STAGING, archives.canary_images())
        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.accept()


def test_a_stage_whose_own_server_is_not_up_does_not_take_a_stranger_for_it(
    folder: EndpointFolder, tmp_path: Path
) -> None:
    """The runner lives and waits for its port, on which another installation's Triton listens."""
    with socket.socket() as stranger, take_lock(folder.lock):
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        folder.want(WANTED)
        said = f"Port {stranger.getsockname()[1]} is taken."
        folder.say(RunnerStatus(state=RunnerState.FAILED, pid=1, takes_loads=False, detail=said))
        folder.keep_ports(Ports(http=stranger.getsockname()[1], grpc=2, metrics=3))
        endpoint = LocalEndpoints(tmp_path, tmp_path).describe(Stage.STAGING)
        assert (endpoint.status, endpoint.served, endpoint.url) == (EndpointStatus.FAILED, None, "")
        assert endpoint.detail == said
        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.accept()


def test_the_usual_ports_are_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_ports, "is_taken", lambda _: False)
    assert choose_ports(Stage.STAGING).all == (18000, 18001, 18002)
    assert choose_ports(Stage.PROD).all == (18010, 18011, 18012)
    monkeypatch.setattr(endpoint_ports, "is_taken", lambda port: port == 18011)
    assert 18010 not in choose_ports(Stage.PROD).all


def test_whoever_sits_on_a_port_is_named() -> None:
    ports = free_ports()
    assert describe_taken(ports) == ""
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", ports.metrics))
        stranger.listen()
        said = describe_taken(ports)
    assert f"Port {ports.metrics}" in said
    assert f"(process {os.getpid()})" in said
