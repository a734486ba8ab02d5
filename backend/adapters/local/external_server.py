"""A Triton that somebody else runs (a container, above all), driven as the server of a stage.

It must run with `--model-control-mode=explicit` on a model repository that this process sees too, as a folder. It is
never started or ended from here. It goes on serving when the runner that drives it dies, and serves again what is
wanted after a restart of its own.
"""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.triton.client import AnswerTimeoutError, TritonClient
from backend.adapters.triton.model_config import CANDIDATE
from backend.adapters.triton.server import Ports
from backend.domain.serving import TRITON_MODEL, Stage
from backend.errors import DeploymentFailedError, EndpointUnavailableError

PATIENCE_S: Final = 20.0
"""So long a server may be away, as it is while its container starts, before the stage counts as failed."""

_LOOK_TIMEOUT_S: Final = 1.0
_UNLOAD_TIMEOUT_S: Final = 5.0
_HOPELESS_S: Final = 10.0
_DEFAULT_PORT: Final = 8000
_MARK: Final = "mark-"

log = logging.getLogger("endpoint")


class ForeignServerError(EndpointUnavailableError):
    """A Triton answers, and loads its models from another folder than ours."""


@dataclass(frozen=True, kw_only=True)
class ExternalTriton:
    """Its base address, such as `http://triton-prod:8000`, and its model repository as this process sees it.

    Triton's gRPC and metrics listen on the two ports after the one for HTTP, as they do by default.
    """

    url: str
    repository: Path

    @property
    def ports(self) -> Ports:
        address = urlsplit(self.url)
        http = address.port or _DEFAULT_PORT
        return Ports(http=http, grpc=http + 1, metrics=http + 2, host=address.hostname or "", external=True)

    @property
    def client(self) -> TritonClient:
        ports = self.ports
        return TritonClient(http_address=ports.address(ports.http), grpc_address=ports.address(ports.grpc))

    def told(self, stage: Stage) -> str:
        """What cannot be done with it from here, for the operator."""
        return (
            f"An external server, the Triton at {urlsplit(self.url).netloc} ({setting_of(stage)}): models are loaded "
            "on it and unloaded from here. Who runs it starts, restarts and ends it, and has its log."
        )

    def require_ours(self, stage: Stage) -> None:
        """Raise `EndpointUnavailableError` unless the server answers, `ForeignServerError` unless it is our folder that
        it loads models from.

        An empty folder under a name never used before is made there, looked for in what the server lists, and removed:
        a server with another repository, or the other stage's, is recognised before anything is loaded on it.
        """
        mark = self.repository / f"{_MARK}{uuid.uuid4().hex}"
        mark.mkdir(parents=True)
        try:
            listed = self.client.listed(timeout_s=_LOOK_TIMEOUT_S)
        finally:
            mark.rmdir()
        if mark.name not in listed:
            raise ForeignServerError(
                f"The Triton server at {self.url} does not load models from '{self.repository}'.",
                hint=f"Start it with that folder as its --model-repository, or correct {setting_of(stage)}.",
            )


class ExternalServer:
    """`StageServer` for a Triton that is not ours to start or to end."""

    pid = 0

    def __init__(self, folder: EndpointFolder, triton: ExternalTriton, stage: Stage) -> None:
        self.is_ready = False
        self.last_exit = ""
        self._folder = folder
        self._triton = triton
        self._stage = stage
        self._seen_at = time.monotonic()
        self._hopeless_until = 0.0

    @property
    def client(self) -> TritonClient:
        return self._triton.client

    @property
    def metrics_address(self) -> str:
        """`host:port` of its metrics page."""
        ports = self._triton.ports
        return ports.address(ports.metrics)

    def keep_running(self) -> bool:
        """True when it answers and is the stage's own.

        Raises `EndpointUnavailableError` when it has been away for long, has another repository, or has to be restarted
        by whoever runs it; `OSError` when its repository cannot be written.
        """
        if time.monotonic() < self._hopeless_until:
            raise EndpointUnavailableError(self.last_exit)
        try:
            if self.is_ready:
                self.client.server_name(timeout_s=_LOOK_TIMEOUT_S)
            else:
                self._begin()
        except ForeignServerError:
            raise
        except AnswerTimeoutError as error:
            if not self.is_ready:  # one that serves may be merely busy
                self._note_absence(error)
        except EndpointUnavailableError as error:
            self._note_absence(error)
        else:
            self._seen_at = time.monotonic()
        return self.is_ready

    def stop(self) -> None:
        """Unload what serves the stage; nothing on a server that was not seen to be the stage's."""
        if not self.is_ready:
            return
        for model in (TRITON_MODEL, CANDIDATE):  # what serves first, and each whatever became of the other
            try:
                self.client.unload(model, timeout_s=_UNLOAD_TIMEOUT_S)
            except (DeploymentFailedError, EndpointUnavailableError) as error:
                log.warning("'%s' may stay loaded: %s", model, error.message)
        self.is_ready = False

    def kill(self) -> None:
        """Say that it has to be restarted by whoever runs it, and leave it alone for a while."""
        self.is_ready = False
        self.last_exit = f"The Triton server at {self._triton.url} does not serve what was loaded; restart it."
        self._hopeless_until = time.monotonic() + _HOPELESS_S
        log.error("%s", self.last_exit)

    def _begin(self) -> None:
        self._folder.repository.create()
        self._triton.require_ours(self._stage)
        self._folder.keep_ports(self._triton.ports)
        self.is_ready = True
        self.last_exit = ""
        log.info("the Triton server at %s loads from '%s'", self._triton.url, self._triton.repository)

    def _note_absence(self, error: EndpointUnavailableError) -> None:
        self.is_ready = False
        self.last_exit = error.message
        if time.monotonic() - self._seen_at > PATIENCE_S:
            hint = f"Start it, or correct {setting_of(self._stage)}."
            raise EndpointUnavailableError(error.message, hint=hint) from error


def setting_of(stage: Stage) -> str:
    """The variable that names the stage's server."""
    return f"DIGITS_TRITON_{stage.name}_URL"
