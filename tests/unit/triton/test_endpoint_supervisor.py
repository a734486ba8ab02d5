"""The supervisor's decisions, with a server that does what each test tells it to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend.adapters.local import endpoint_logs, endpoint_supervisor
from backend.adapters.local.endpoint_folder import EndpointFolder, RunnerState, take_lock
from backend.adapters.local.endpoint_logs import rotate
from backend.adapters.local.processes import FileLock
from backend.adapters.triton.client import AnswerTimeoutError
from backend.adapters.triton.model_config import CANDIDATE
from backend.domain.audit import AuditEvent
from backend.domain.serving import Stage
from backend.errors import DeploymentFailedError, EndpointUnavailableError, SetupError
from tests.fakes.triton_server import MODEL, OTHER, WANTED, Server, install_wanted, supervisor_of


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def __getattr__(self, name: str) -> Any:
        return getattr(__import__("time"), name)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(endpoint_supervisor, "time", clock)
    return clock


@pytest.fixture
def folder(tmp_path: Path) -> EndpointFolder:
    folder = EndpointFolder(tmp_path, Stage.STAGING)
    install_wanted(folder)
    return folder


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def events() -> list[AuditEvent]:
    """What the guard has appended."""
    return []


@pytest.fixture
def beat(folder: EndpointFolder, server: Server, clock: Clock, events: list[AuditEvent]) -> Callable[[int], None]:
    """Let so many beats pass; time goes by as the runner asks for it."""
    runner = supervisor_of(folder, server, append=events.append)

    def run(times: int) -> None:
        for _ in range(times):
            clock.now += runner._beat()

    return run


def state(folder: EndpointFolder) -> tuple[RunnerState, str]:
    status = folder.status()
    assert status is not None
    return status.state, status.detail


def test_what_is_wanted_is_loaded_and_then_left_alone(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None]
) -> None:
    folder.want(WANTED)
    beat(5)
    assert server.calls == ["load mnist"]
    assert state(folder) == (RunnerState.RUNNING, "")


def test_what_a_dead_deployment_left_is_replaced_by_the_wanted_one(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None], events: list[AuditEvent]
) -> None:
    folder.want(WANTED)
    server.serves = OTHER
    folder.intend(OTHER)
    beat(1)
    assert server.serves == MODEL
    beat(1)
    assert events == []


def test_a_load_that_a_dead_deployment_asked_for_is_undone_also_when_it_ends_late(
    folder: EndpointFolder, server: Server, clock: Clock, beat: Callable[[int], None], events: list[AuditEvent]
) -> None:
    folder.want(WANTED)
    beat(1)
    folder.intend(OTHER)
    beat(3)
    server.serves = OTHER
    beat(1)
    assert server.serves == MODEL
    assert events == []  # nobody loaded it past the deployments
    clock.now += endpoint_supervisor.LATE_LOAD_S
    beat(1)
    assert folder.intended() is None


def test_a_dead_stub_is_healed_by_a_load(folder: EndpointFolder, server: Server, beat: Callable[[int], None]) -> None:
    folder.want(WANTED)
    server.serves = MODEL
    server.sick = EndpointUnavailableError("answered 500: Stub process is not healthy")
    beat(1)
    assert server.calls == ["load mnist"]
    assert state(folder)[0] is RunnerState.RUNNING


def test_a_server_that_a_load_does_not_heal_is_replaced(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None]
) -> None:
    folder.want(WANTED)
    server.serves, server.heals = MODEL, False
    server.sick = EndpointUnavailableError("answered 500")
    beat(1)
    assert server.calls == ["load mnist", "kill"]


def test_a_server_that_hangs_in_a_load_is_replaced(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None]
) -> None:
    folder.want(WANTED)
    server.refuses = EndpointUnavailableError("did not load 'mnist' within 30 s")
    beat(1)
    assert server.calls == ["load mnist", "kill"]


def test_a_busy_server_may_miss_two_answers(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None]
) -> None:
    folder.want(WANTED)
    server.serves = MODEL
    server.sick = AnswerTimeoutError("did not answer within 2 s")
    beat(2)
    assert server.calls == []
    beat(1)
    assert server.calls == ["load mnist"]


def test_a_version_whose_file_is_gone_is_said_to_need_a_deployment(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None]
) -> None:
    folder.want(WANTED)
    file = folder.repository.model_file(MODEL.version)
    file.unlink()
    server.refuses = DeploymentFailedError("Triton refused to load 'mnist': at least one version must be available")
    beat(1)
    said = f"Version 4 cannot be served: '{file}' is not there. Promote version 4 once more."
    assert state(folder) == (RunnerState.FAILED, said)


def test_a_version_that_triton_refuses_is_tried_again_later_and_said(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None]
) -> None:
    folder.want(WANTED)
    server.refuses = DeploymentFailedError("Triton refused to load 'mnist': digest mismatch")
    beat(3)
    assert server.calls == ["load mnist"]
    assert state(folder) == (
        RunnerState.FAILED,
        "Version 4 cannot be served. Triton refused to load 'mnist': digest mismatch",
    )
    beat(4)
    assert server.calls == ["load mnist", "load mnist"]


def test_nothing_is_repaired_while_a_deployment_loads(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None]
) -> None:
    folder.want(WANTED)
    with take_lock(folder.load_lock):
        beat(1)
        assert server.calls == []
    beat(1)
    assert server.calls == ["load mnist"]


def test_a_deployment_to_a_stage_that_was_down_is_told_that_the_server_takes_loads(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None]
) -> None:
    """It holds the load lock while it waits for that, so nothing can be repaired first."""
    folder.want(WANTED)
    server.is_ready = False
    with take_lock(folder.load_lock):
        beat(1)
        server.is_ready = True
        beat(1)
        status = folder.status()
    assert server.calls == []
    assert status is not None
    assert status.takes_loads


def test_the_candidate_of_a_dead_deployment_is_freed(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None]
) -> None:
    folder.want(WANTED)
    server.serves = MODEL
    (folder.repository.root / CANDIDATE).mkdir(parents=True)
    with take_lock(folder.load_lock):
        beat(1)
        assert server.calls == []
    beat(1)
    assert server.calls == [f"unload {CANDIDATE}"]
    assert not folder.repository.has_candidate


def test_a_candidate_that_its_deployment_frees_meanwhile_is_left_alone(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.want(WANTED)
    server.serves = MODEL
    (folder.repository.root / CANDIDATE).mkdir(parents=True)

    def wait_for_the_deployment(path: Path, *, shared: bool = False) -> FileLock:
        folder.repository.remove_candidate()
        return take_lock(path, shared=shared)

    monkeypatch.setattr(endpoint_supervisor, "take_lock", wait_for_the_deployment)
    beat(1)
    assert server.calls == []


@pytest.mark.parametrize(
    "error",
    [EndpointUnavailableError("Port 18001 is taken.", hint="End it."), SetupError("No libpython.", hint="Install it.")],
)
def test_a_server_that_cannot_be_started_is_explained(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None], error: Exception
) -> None:
    folder.want(WANTED)
    server.down = error
    server.is_ready = False
    beat(2)
    assert state(folder) == (RunnerState.FAILED, f"{error} {error.hint}")  # type: ignore[attr-defined]
    server.down = None
    server.is_ready = True
    beat(1)
    assert state(folder) == (RunnerState.RUNNING, "")


@pytest.mark.parametrize("where", ["wanted.json", "intended.json", "drift.json", "full disk"])
def test_a_healthy_server_goes_on_whatever_its_folder_suffers(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.want(WANTED)
    beat(2)
    if where.endswith("json"):
        (folder.root / where).write_text("{ torn")
        server.serves = OTHER  # a reader of each of them is asked
    else:
        monkeypatch.setattr(server, "keep_running", lambda: (_ for _ in ()).throw(OSError(28, "No space left")))
    beat(2)
    assert state(folder)[0] is RunnerState.FAILED
    assert not {"stop", "kill"} & set(server.calls)
    folder.want(WANTED)
    folder.intend(None)
    folder.note_drift("")
    monkeypatch.undo()
    beat(2)
    assert state(folder) == (RunnerState.RUNNING, "")


def test_a_log_that_cannot_be_moved_aside_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(endpoint_logs, "MAX_LOG_BYTES", 10)
    monkeypatch.setattr(endpoint_logs.shutil, "copyfile", full)
    path = tmp_path / "triton.log"
    path.write_bytes(b"x" * 90)
    rotate(path)
    assert path.stat().st_size == 90


def test_it_leaves_when_nothing_has_been_wanted_for_a_while(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, _: killed.append(pid))
    with take_lock(folder.load_lock):
        beat(17)
    assert killed == []
    beat(1)
    assert killed == [os.getpid()]
    assert state(folder)[0] is RunnerState.LEAVING


def test_ending_stops_the_server_and_says_so(folder: EndpointFolder, server: Server, clock: Clock) -> None:
    supervisor_of(folder, server).run()
    assert server.calls == ["stop"]
    assert state(folder) == (RunnerState.LEAVING, "The endpoint is stopped.")


def test_a_large_log_is_moved_aside_without_being_reopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_logs, "MAX_LOG_BYTES", 100)
    path = tmp_path / "triton.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"x" * 90)
        rotate(path)
        assert path.stat().st_size == 90
        writer.write(b"y" * 90)
        rotate(path)
        writer.write(b"after")
    assert path.read_bytes() == b"after"
    assert len((tmp_path / "triton.log.1").read_bytes()) == 180
    rotate(tmp_path / "absent.log")
