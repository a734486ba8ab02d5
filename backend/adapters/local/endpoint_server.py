"""One Triton process that is started again whenever it ends."""

from __future__ import annotations

import logging
import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import Final

from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.endpoint_ports import choose_ports, describe_taken
from backend.adapters.local.processes import die_with_parent
from backend.adapters.triton import server as triton
from backend.adapters.triton.client import TritonClient
from backend.adapters.triton.environment import locate
from backend.adapters.triton.server import Ports
from backend.domain.serving import Stage
from backend.errors import EndpointUnavailableError

START_TIMEOUT_S: Final = 20.0

_DELAYS_S: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_LONG_LIFE_S: Final = 60.0

log = logging.getLogger("endpoint")


class SupervisedServer:
    """The stage's Triton. Belongs to one thread: the kernel ends the server with the thread that started it."""

    def __init__(self, folder: EndpointFolder, serving_env: Path, stage: Stage) -> None:
        self.is_ready = False
        self.last_exit = ""
        self._folder = folder
        self._serving_env = serving_env
        self._stage = stage
        self._ports = Ports(http=0, grpc=0, metrics=0)
        self._id = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._start_at = 0.0
        self._short_lives = 0

    @property
    def client(self) -> TritonClient:
        """Asks the server; new with every start."""
        ports = self._ports
        return TritonClient(http_address=ports.address(ports.http), grpc_address=ports.address(ports.grpc))

    @property
    def metrics_address(self) -> str:
        """`host:port` of its metrics page."""
        return self._ports.address(self._ports.metrics)

    @property
    def pid(self) -> int:
        """The process id; 0 while there is none."""
        return 0 if self._process is None else self._process.pid

    def keep_running(self) -> bool:
        """Start the server if it is not running and may be; True when it answers by its own name.

        Raises `SetupError` when this machine lacks what it needs, and `EndpointUnavailableError` while its ports are
        taken or when it keeps ending.
        """
        if self._process is not None and self._process.poll() is not None:
            self._note_exit(self._process.returncode)
        if self._process is None:
            if time.monotonic() >= self._start_at:
                self._start()
            elif self._short_lives > 2:
                raise EndpointUnavailableError(f"{self.last_exit} It is started again in a moment; see triton.log.")
        elif not self.is_ready:
            self._look_whether_ready()
        return self.is_ready

    def stop(self) -> None:
        if self._process is not None:
            triton.stop(self._process)
            self._forget()

    def kill(self) -> None:
        """End it at once; the next `keep_running` starts another."""
        if self._process is not None:
            triton.kill(self._process)
            self._note_exit(self._process.returncode)

    def _start(self) -> None:
        environment = locate(self._serving_env)
        self._ports = self._settle_ports()
        for stub in triton.end_orphaned_stubs(self._folder.backends):
            log.info("ended process %d, a stub that outlived its server", stub)
        for leftover in triton.remove_shared_memory_leftovers():
            log.info("removed %s, left by a server that was killed", leftover)
        self._folder.repository.create()
        triton.install_backends(environment, self._folder.backends)
        self._id = f"{self._stage.endpoint_name}-{uuid.uuid4().hex[:8]}"
        self._process = triton.start(
            environment,
            repository=self._folder.repository.root,
            backends=self._folder.backends,
            ports=self._ports,
            server_id=self._id,
            log=self._folder.triton_log,
            before_exec=_before_exec,
        )
        self._started_at = time.monotonic()
        log.info("started tritonserver, process %d, on %s", self._process.pid, self._ports.url)

    def _settle_ports(self) -> Ports:
        """The stage's ports. Until something was deployed nobody knows its address, and taken ones are replaced."""
        ports = self._folder.ports()
        taken = describe_taken(ports) if ports else ""
        if ports is None or (taken and self._folder.wanted() is None):
            ports = choose_ports(self._stage)
            self._folder.keep_ports(ports)
        elif taken:
            raise EndpointUnavailableError(taken, hint="End that program; the endpoint then starts by itself.")
        return ports

    def _look_whether_ready(self) -> None:
        """Its own name must answer: a stranger who took the port meanwhile may be a Triton, too."""
        try:
            self.is_ready = self.client.server_name(timeout_s=1.0) == self._id
        except EndpointUnavailableError:
            self.is_ready = False
        if not self.is_ready and time.monotonic() - self._started_at > START_TIMEOUT_S:
            log.error("tritonserver did not answer within %.0f s", START_TIMEOUT_S)
            self.kill()

    def _note_exit(self, code: int) -> None:
        ending = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
        self.last_exit = f"Triton {ending}."
        log.error("%s", self.last_exit)
        lived_long = time.monotonic() - self._started_at > _LONG_LIFE_S
        self._short_lives = 0 if lived_long else self._short_lives + 1
        self._start_at = time.monotonic() + _DELAYS_S[min(max(self._short_lives - 1, 0), len(_DELAYS_S) - 1)]
        self._forget()

    def _forget(self) -> None:
        self._process = None
        self.is_ready = False


def _before_exec() -> None:
    """In the new process: end with the runner, and receive the signals that the runner blocks for itself."""
    die_with_parent()
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
