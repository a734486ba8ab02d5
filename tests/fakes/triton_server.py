"""A stand-in for a stage's supervised Triton: does what a test tells it to, and keeps what it was told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from backend.adapters.local.endpoint_expiry import EndpointExpiry
from backend.adapters.local.endpoint_folder import EndpointFolder, Wanted
from backend.adapters.local.endpoint_guard import EndpointGuard
from backend.adapters.local.endpoint_look import request_for
from backend.adapters.local.endpoint_sampler import EndpointSampler
from backend.adapters.local.endpoint_supervisor import EndpointSupervisor
from backend.adapters.triton.model_config import parse_config
from backend.domain.audit import AuditEvent
from backend.domain.serving import ServedModel, Stage
from backend.domain.traffic import Sample
from backend.ports.clock import Clock
from tests.contract.archives import CONFIG

MODEL = ServedModel(version=4, sha256="a" * 64)
OTHER = ServedModel(version=5, sha256="c" * 64)
BYTES = b"the wanted model"
DIGEST = hashlib.sha256(BYTES).hexdigest()
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
WANTED = Wanted(model=MODEL, onnx_sha256=DIGEST, config=parse_config(CONFIG), since=NOON)


class Server:
    """Stands for `SupervisedServer` and its client at once."""

    def __init__(self) -> None:
        self.client: Any = self
        self.is_ready = True
        self.pid = 77
        self.last_exit = ""
        self.serves: ServedModel | None = None
        self.calls: list[str] = []
        self.down: Exception | None = None
        self.sick: Exception | None = None
        self.refuses: Exception | None = None
        self.heals = True
        self.meddled: dict[str, Any] = {}
        self.metrics_address = "127.0.0.1:1"
        """Where nobody listens, unless a test says otherwise."""

    def keep_running(self) -> bool:
        if self.down is not None:
            raise self.down
        return self.is_ready

    def stop(self) -> None:
        self.calls.append("stop")

    def kill(self) -> None:
        self.calls.append("kill")

    def config(self, timeout_s: float = 0.0) -> dict[str, Any] | None:
        if self.serves is None:
            return None
        found: dict[str, Any] = json.loads(request_for(replace(WANTED, model=self.serves)))
        return {**found, **self.meddled}

    def infer(self, _: object) -> None:
        if self.sick is not None:
            raise self.sick

    def load(self, name: str, request: str) -> None:
        self.calls.append(f"load {name}")
        if self.refuses is not None:
            raise self.refuses
        self.serves = MODEL
        if self.heals:
            self.sick = None

    def unload(self, name: str) -> None:
        self.calls.append(f"unload {name}")


def install_wanted(folder: EndpointFolder) -> None:
    """Put the file of `WANTED` where Triton loads it from."""
    file = folder.repository.model_file(MODEL.version)
    file.parent.mkdir(parents=True)
    file.write_bytes(BYTES)


def supervisor_of(
    folder: EndpointFolder,
    server: Server,
    *,
    append: Callable[[AuditEvent], None] = lambda _: None,
    keep: Callable[[Stage, Sample], None] = lambda *_: None,
    clock: Clock = lambda: NOON,
) -> EndpointSupervisor:
    """Staging's supervisor over the stand-in; `_beat` is what it does when it is due."""
    stage = Stage.STAGING
    supervised: Any = server
    return EndpointSupervisor(
        folder,
        supervised,
        EndpointGuard(folder, stage, append, clock),
        EndpointSampler(stage, supervised, keep, clock),
        EndpointExpiry(folder, stage, append, clock),
        lambda _: True,
    )
