"""The process `tritonserver`: how it is started, stopped and cleaned up after.

It listens on the loopback interface only, on all three ports: a deeply nested JSON body is enough to kill it, so
nobody but this machine may reach it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from backend.adapters.triton.environment import ServingEnvironment

HOST: Final = "127.0.0.1"
EXIT_TIMEOUT_S: Final = 5

STUB: Final = "triton_python_backend_stub"
"""The program that runs one copy of a model; Triton knows it by this name."""

_PYTHON = "python"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Triton's Python backend itself puts its regions
_REGIONS = "triton_onnxruntime_backend_shm_region_*"
_YOUNG_S = 10.0
_IN_FLIGHT_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where one server listens. `external`: it was there before us, and is not ours to start or to stop."""

    http: int
    grpc: int
    metrics: int
    host: str = HOST
    external: bool = False

    @property
    def all(self) -> tuple[int, int, int]:
        return self.http, self.grpc, self.metrics

    @property
    def url(self) -> str:
        return f"http://{self.address(self.http)}"

    def address(self, port: int) -> str:
        """`host:port`, as clients take it; an IPv6 host in brackets."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"


def free_ports() -> Ports:
    """Three ports that the kernel hands out; held together, so that they differ."""
    with socket.socket() as a, socket.socket() as b, socket.socket() as c:
        for probe in (a, b, c):
            probe.bind((HOST, 0))
        http, grpc, metrics = (int(probe.getsockname()[1]) for probe in (a, b, c))
    return Ports(http=http, grpc=grpc, metrics=metrics)


def command_line(
    environment: ServingEnvironment, *, repository: Path, backends: Path, ports: Ports, server_id: str
) -> list[str]:
    """The arguments of a server that begins with no model: models come by an explicit load.

    `server_id` is what the server answers when asked for its name, so that a stranger on the port is recognised.
    Strict readiness is off because after one refused load it would never read ready again.
    """
    return [
        str(environment.tritonserver),
        f"--id={server_id}",
        f"--model-repository={repository}",
        f"--backend-directory={backends}",
        "--model-control-mode=explicit",
        "--strict-readiness=false",
        # The model's configuration is complete; completing it would start, and stop, one more stub per load.
        "--disable-auto-complete-config",
        f"--http-address={HOST}",
        f"--http-port={ports.http}",
        f"--grpc-address={HOST}",
        f"--grpc-port={ports.grpc}",
        f"--metrics-address={HOST}",
        f"--metrics-port={ports.metrics}",
        "--metrics-config=summary_latencies=true",
        f"--exit-timeout-secs={EXIT_TIMEOUT_S}",
    ]


def install_backends(environment: ServingEnvironment, folder: Path) -> None:
    """Lay out what `--backend-directory` must hold: the Python backend with the right stub, and our `onnxruntime`."""
    shutil.rmtree(folder, ignore_errors=True)
    python = folder / _PYTHON
    shutil.copytree(environment.python_backend, python, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(environment.stub, python / STUB)
    (python / STUB).chmod(0o755)
    shutil.copytree(
        Path(__file__).parent / "backend_onnxruntime",
        folder / "onnxruntime",
        ignore=shutil.ignore_patterns("__pycache__", "__init__.py"),
    )


def start(
    environment: ServingEnvironment,
    *,
    repository: Path,
    backends: Path,
    ports: Ports,
    server_id: str,
    log: Path,
    before_exec: Callable[[], None],
) -> subprocess.Popen[bytes]:
    """Start the server and return at once; its output is appended to `log`. `before_exec` runs in the new process."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command_line(environment, repository=repository, backends=backends, ports=ports, server_id=server_id),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment.variables(),
            cwd=repository,
            preexec_fn=before_exec,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Let the server finish what it is answering, then end it; returns within about a second.

    Triton itself takes 3.5 s to end, most of it waiting for its stubs: they keep nothing worth waiting for.
    """
    process.terminate()
    try:
        process.wait(_IN_FLIGHT_S)
    except subprocess.TimeoutExpired:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the server and its stubs at once, and remove the shared memory that they leave.

    A stub mostly ends by itself when its server is gone. But one whose server died while it held the lock of their
    queue, as happens under load, waits for that lock for ever and heeds no SIGTERM.
    """
    regions = _regions_of(process.pid)
    with ExitStack() as stack:
        stubs = [stack.enter_context(_Handle(stub)) for stub in _children_of(process.pid)]
        process.kill()
        process.wait()
        for stub in stubs:
            stub.kill()
    for region in regions:
        region.unlink(missing_ok=True)


def end_orphaned_stubs(backends: Path) -> list[int]:
    """End the stubs that were started from `backends` and outlived their server; returns their process ids.

    No server may be running from there: every stub found is then an orphan (see `kill`), left by a server that
    nobody of ours killed.
    """
    program = os.fsencode(backends / _PYTHON / STUB)
    ended = []
    for entry in Path("/proc").glob("[0-9]*"):
        with _Handle(int(entry.name)) as stub:
            if _command_of(stub.pid).startswith(program + b"\0"):
                stub.kill()
                ended.append(stub.pid)
    return ended


def remove_shared_memory_leftovers() -> list[Path]:
    """Remove this user's regions that a killed server left and that no live process maps; returns them.

    Young ones are kept: a server being started makes a region before it maps it.
    """
    candidates = [
        path
        for path in _SHARED_MEMORY.glob(_REGIONS)
        if path.stat().st_uid == os.getuid() and time.time() - path.stat().st_mtime > _YOUNG_S
    ]
    if not candidates:
        return []
    mapped = {path for process in Path("/proc").glob("[0-9]*") for path in _regions_of(int(process.name))}
    leftovers = [path for path in candidates if path not in mapped]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return leftovers


class _Handle:
    """A process by a descriptor: a signal reaches it, or nobody, though its number may be another's meanwhile."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = -1

    def __enter__(self) -> Self:
        with suppress(ProcessLookupError):
            self._descriptor = os.pidfd_open(self.pid)
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def kill(self) -> None:
        if self._descriptor >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)


def _children_of(pid: int) -> list[int]:
    try:
        tasks = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/children")]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for task in tasks for child in task.split()]


def _command_of(pid: int) -> bytes:
    """The words of its command line, each ended by a zero byte; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        return b""


def _regions_of(pid: int) -> set[Path]:
    """The regions that the process maps; none for another user's process, or one that ended."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines()
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        return set()
    names = {Path(line.split(maxsplit=5)[5]) for line in lines if f" {_SHARED_MEMORY}/" in line}
    return {path for path in names if path.match(_REGIONS)}
