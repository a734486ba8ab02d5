"""A Triton that was there before us, as `docker compose up` starts one for each stage: here a process, for tests."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Self

from backend.adapters.local.endpoint_ports import is_taken
from backend.adapters.local.external_server import ExternalTriton
from backend.adapters.local.processes import die_with_parent
from backend.adapters.triton import server
from backend.adapters.triton.environment import locate
from backend.adapters.triton.server import Ports
from backend.errors import EndpointUnavailableError

ROOT = Path(__file__).resolve().parents[2]
SERVING_ENV = ROOT / ".venv-serving"


class RunningTriton:
    """`folder` is its own; `repository` it shares with whoever deploys. Runs from entering to leaving the context."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self._environment = locate(SERVING_ENV)
        self._folder = folder
        self.repository = repository
        self.ports = three_in_a_row()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def as_external(self) -> ExternalTriton:
        return ExternalTriton(url=self.ports.url, repository=self.repository)

    @property
    def expression(self) -> str:
        """The Python of an entry `Stage.STAGING: ...` that describes it."""
        return f"Stage.STAGING: ExternalTriton(url={self.ports.url!r}, repository=Path({str(self.repository)!r}))"

    def start(self) -> None:
        """Returns when it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self.repository.mkdir(parents=True, exist_ok=True)
        server.install_backends(self._environment, self._folder / "backends")
        self._process = server.start(
            self._environment,
            repository=self.repository,
            backends=self._folder / "backends",
            ports=self.ports,
            server_id="somebody else's",
            log=self._folder / "triton.log",
            before_exec=die_with_parent,
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                self.as_external.client.server_name()
                return
            except EndpointUnavailableError:
                assert time.monotonic() < deadline, (self._folder / "triton.log").read_text()
                time.sleep(0.02)

    def end(self) -> None:
        if self._process is not None:
            server.kill(self._process)
            self._process = None

    def restart(self) -> None:
        """As its container is restarted: with nothing loaded."""
        self.end()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def three_in_a_row() -> Ports:
    """Free ports in the order that a container has them: HTTP, gRPC, metrics."""
    while True:
        first = server.free_ports().http
        if first < 65534 and not is_taken(first + 1) and not is_taken(first + 2):
            return Ports(http=first, grpc=first + 1, metrics=first + 2)
