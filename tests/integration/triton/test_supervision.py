"""The real Triton under a real runner: whatever is killed, the stage serves again, or says that it does not."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.triton.canary import canary_images
from backend.domain.serving import Endpoint, EndpointStatus, ServedModel, Stage
from backend.errors import DigitsError, EndpointUnavailableError
from tests.contract import archives
from tests.contract.serving_platforms import SERVING_ENV

pytestmark = pytest.mark.triton

STAGE = Stage.STAGING


class Served:
    """A stage that serves version 1."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.endpoints = LocalEndpoints(home, SERVING_ENV)
        self.folder = EndpointFolder(home, STAGE)
        self.archive = archives.good_archive(home / "model.tar.gz")
        self.target = ServedModel(version=1, sha256=archives.digest_of(self.archive))
        self.endpoints.deploy(STAGE, self.target, self.archive, lambda *_: None)

    @property
    def server(self) -> int:
        return self._status("server_pid")

    @property
    def runner(self) -> int:
        return self._status("pid")

    def describe(self) -> Endpoint:
        return self.endpoints.describe(STAGE)

    def answers(self, times: int = 1) -> bool:
        try:
            return all(self.endpoints.predict(STAGE, canary_images()).version == 1 for _ in range(times))
        except DigitsError:
            return False

    def _status(self, name: str) -> int:
        status = self.folder.status()
        assert status is not None
        return int(getattr(status, name))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.endpoints.delete(STAGE)
    assert processes_below(tmp_path) == []


def test_a_killed_server_is_replaced(served: Served) -> None:
    old = served.server
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: served.server not in (0, old) and served.answers(4), 8)
    wait_until(lambda: served.describe().status is EndpointStatus.IN_SERVICE, 4)
    assert served.describe().served == served.target


def hang_a_stub(served: Served) -> int:
    """Under load every few stubs hang when the server is killed, for it had the lock of their queue; here one must."""
    wait_until(lambda: len(children_of(served.server)) == 2, 5)
    stub = children_of(served.server)[0]
    os.kill(stub, signal.SIGSTOP)
    return stub


def test_a_stub_that_outlives_its_killed_server_is_ended_with_the_next_start(served: Served) -> None:
    old, stub = served.server, hang_a_stub(served)
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: served.server not in (0, old) and served.answers(4), 8)
    assert not alive(stub)
    assert len(children_of(served.server)) == 2


def test_a_stage_that_is_deleted_after_its_runner_was_killed_leaves_no_stub(served: Served) -> None:
    stub = hang_a_stub(served)
    os.kill(served.runner, signal.SIGKILL)
    served.endpoints.delete(STAGE)
    assert not alive(stub)


def test_a_killed_stub_is_healed_without_a_new_server(served: Served) -> None:
    server = served.server
    wait_until(lambda: len(children_of(server)) == 2, 5)  # the deployment's candidate is still being freed
    stubs = children_of(server)
    os.kill(stubs[0], signal.SIGKILL)
    wait_until(lambda: len(set(children_of(server)) - set(stubs)) == 2, 10)
    wait_until(lambda: served.answers(6), 5)
    assert served.server == server


def test_a_killed_runner_takes_its_server_along_and_can_be_resumed(served: Served) -> None:
    server = served.server
    os.kill(served.runner, signal.SIGKILL)
    wait_until(lambda: not alive(server), 2)
    begun = time.monotonic()
    endpoint = served.describe()
    assert time.monotonic() - begun < 1
    assert endpoint.status is EndpointStatus.FAILED
    assert endpoint.wanted == served.target
    assert "supervisor ended" in endpoint.detail
    with pytest.raises(EndpointUnavailableError, match="'staging' is down"):
        served.endpoints.predict(STAGE, canary_images())
    served.endpoints.resume(STAGE)
    served.endpoints.resume(STAGE)
    wait_until(lambda: served.answers(2), 8)
    assert len(processes_below(served.home)) == 2  # one runner, one server


def test_it_listens_on_the_loopback_interface_only(served: Served) -> None:
    ports = served.folder.ports()
    assert ports is not None
    listening = listeners_of(served.server)
    assert {port for _, port in listening} == set(ports.all)
    assert {address for address, _ in listening} <= {"127.0.0.1", "::ffff:127.0.0.1"}


def test_the_digest_of_the_bytes_that_serve_is_among_the_metrics(served: Served) -> None:
    ports = served.folder.ports()
    wanted = served.folder.wanted()
    assert ports is not None
    assert wanted is not None
    expected = f'served_model_info{{model="mnist",sha256="{wanted.onnx_sha256}",version="1"}} 1'

    def said() -> list[str]:
        with urlopen(f"http://127.0.0.1:{ports.metrics}/metrics", timeout=2) as answer:
            lines = answer.read().decode().splitlines()
        return [line for line in lines if line.startswith("served_model_info{")]

    wait_until(lambda: said() == [expected], 5)  # the deployment's candidate is still being freed


def test_a_taken_port_is_named_and_the_address_comes_back(served: Served) -> None:
    ports = served.folder.ports()
    assert ports is not None
    served.endpoints.suspend(STAGE)
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", ports.grpc))
        stranger.listen()
        served.endpoints.resume(STAGE)
        wait_until(lambda: f"Port {ports.grpc}" in served.describe().detail, 5)
        assert served.describe().status is EndpointStatus.FAILED
        assert f"process {os.getpid()}" in served.describe().detail
    wait_until(lambda: served.describe().status is EndpointStatus.IN_SERVICE, 8)
    assert served.describe().url == ports.url


def test_two_installations_that_begin_at_once_do_not_share_ports(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(Served, [tmp_path / "a", tmp_path / "b"]))
    try:
        ports = [served.folder.ports() for served in both]
        assert ports[0] is not None
        assert ports[1] is not None
        assert not set(ports[0].all) & set(ports[1].all)
        assert all(served.answers() for served in both)
    finally:
        for served in both:
            served.endpoints.delete(STAGE)


def test_what_a_dead_deployment_loaded_is_undone(served: Served) -> None:
    """As if a deployment had been killed right after its switch, before it made its version the wanted one."""
    wanted = served.folder.wanted()
    assert wanted is not None
    path = archives.good_archive(served.home / "other.tar.gz", sharpness=2.0)
    served.endpoints.deploy(STAGE, ServedModel(version=2, sha256=archives.digest_of(path)), path, lambda *_: None)
    served.folder.want(wanted)
    served.folder.intend(ServedModel(version=2, sha256=archives.digest_of(path)))
    served.folder.repository.root.joinpath("mnist_candidate", "2").mkdir(parents=True)
    assert served.describe().status is EndpointStatus.UPDATING
    wait_until(lambda: served.describe().served == served.target and served.answers(), 8)
    wait_until(lambda: not served.folder.repository.has_candidate, 8)


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def children_of(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in task.read_text().split() if alive(int(child))]
    return found


def processes_below(home: Path) -> list[int]:
    """Live processes that were started for this home: the runner and its server (stubs name no home)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.endswith(b"tritonserver") or b"endpoint_runner" in word for word in words):
            found += [int(entry.name)] if str(home).encode() in b" ".join(words) else []
    return [pid for pid in found if alive(pid)]


def listeners_of(pid: int) -> set[tuple[str, int]]:
    """Addresses on which the process listens: what `ss -ltnp` says, from the same place."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # a connection that was closed meanwhile
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                host, port = fields[1].split(":")
                words = [bytes.fromhex(host[i : i + 8])[::-1] for i in range(0, len(host), 8)]
                found.add((socket.inet_ntop(family, b"".join(words)), int(port, 16)))
    return found
