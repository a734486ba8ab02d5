"""What one stage keeps on disk, and the locks by which processes agree about it.

lock           held by the runner as long as it lives
deploy.lock    held by one deployment from plan to end; its text names the holder
load.lock      held by whoever changes what Triton has loaded: a deployment, or the runner while it repairs
wanted.json    what the last finished deployment asked for; the runner's orders
intended.json  what a deployment is about to make the wanted one: there from before its switch until that is done
drift.json     there as long as something else than the wanted answers: in words, what
lifetime.json  until when the stage is to serve, and when it was taken down because that was over
status.json    what the runner last observed
ports.json     where the stage's Triton listens; chosen once, so that the address stays
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from backend.adapters.local.processes import FileLock, LockHeldError
from backend.adapters.triton.repository import ModelRepository
from backend.adapters.triton.server import Ports
from backend.domain.lifetimes import NO_LIMIT, Lifetime
from backend.domain.serving import ServedModel, Stage
from backend.errors import StoreError

T = TypeVar("T")

_PATIENCE_S = 0.25
"""A probe (`is_held`) holds a lock for microseconds; whoever wants it must not take the probe for a holder."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the stage must serve, complete: enough to load it again after any crash."""

    model: ServedModel
    onnx_sha256: str
    config: Mapping[str, Any]
    since: datetime


class RunnerState(Enum):
    STARTING = "starting"
    RUNNING = "running"
    REPAIRING = "repairing"
    FAILED = "failed"
    LEAVING = "leaving"


@dataclass(frozen=True, kw_only=True)
class RunnerStatus:
    """What the runner says. `takes_loads`: its Triton is up, whatever is loaded. `detail` explains trouble."""

    state: RunnerState
    pid: int
    takes_loads: bool = False
    server_pid: int = 0
    detail: str = ""


class EndpointFolder:
    """The files of one stage under the home; reading what was never written gives None.

    `repository` is the folder that the stage's Triton loads from, where that is not one of ours.
    """

    def __init__(self, home: Path, stage: Stage, repository: Path | None = None) -> None:
        self.root = home.absolute() / "endpoints" / stage.value
        self.lock = self.root / "lock"
        self.deploy_lock = self.root / "deploy.lock"
        self.load_lock = self.root / "load.lock"
        self.runner_log = self.root / "runner.log"
        self.triton_log = self.root / "triton.log"
        self.backends = self.root / "backends"
        self.repository = ModelRepository(repository or self.root / "repository")

    def wanted(self) -> Wanted | None:
        """Raises `StoreError` when the file is damaged; so do the other readers."""
        return _read(
            self._wanted,
            lambda document: Wanted(
                model=ServedModel(version=int(document["version"]), sha256=str(document["sha256"])),
                onnx_sha256=str(document["onnx_sha256"]),
                config=dict(document["config"]),
                since=datetime.fromisoformat(document["since"]),
            ),
        )

    def want(self, wanted: Wanted) -> None:
        _write(
            self._wanted,
            {
                "version": wanted.model.version,
                "sha256": wanted.model.sha256,
                "onnx_sha256": wanted.onnx_sha256,
                "config": dict(wanted.config),
                "since": wanted.since.isoformat(),
            },
        )

    def want_nothing(self) -> None:
        self._wanted.unlink(missing_ok=True)

    def intended(self) -> ServedModel | None:
        return _read(
            self._intended, lambda document: ServedModel(version=document["version"], sha256=document["sha256"])
        )

    def intend(self, model: ServedModel | None) -> None:
        """None: no deployment is between its switch and its end."""
        if model is None:
            self._intended.unlink(missing_ok=True)
        else:
            _write(self._intended, asdict(model))

    def drifting(self) -> str:
        """The drift that was recorded last, in words; empty when there was none, or it is gone."""
        return _read(self._drift, lambda document: str(document["drift"])) or ""

    def note_drift(self, drift: str) -> None:
        if drift:
            _write(self._drift, {"drift": drift})
        else:
            self._drift.unlink(missing_ok=True)

    def lifetime(self) -> Lifetime:
        def moment(text: str | None) -> datetime | None:
            return datetime.fromisoformat(text) if text else None

        return (
            _read(
                self._lifetime,
                lambda document: Lifetime(
                    until=moment(document["until"]), taken_down_at=moment(document["taken_down_at"])
                ),
            )
            or NO_LIMIT
        )

    def keep_lifetime(self, lifetime: Lifetime) -> None:
        if lifetime == NO_LIMIT:
            self._lifetime.unlink(missing_ok=True)
        else:
            _write(
                self._lifetime,
                {
                    "until": lifetime.until.isoformat() if lifetime.until else None,
                    "taken_down_at": lifetime.taken_down_at.isoformat() if lifetime.taken_down_at else None,
                },
            )

    def status(self) -> RunnerStatus | None:
        return _read(
            self._status, lambda document: RunnerStatus(**{**document, "state": RunnerState(document["state"])})
        )

    def say(self, status: RunnerStatus) -> None:
        _write(self._status, {**asdict(status), "state": status.state.value})

    def say_nothing(self) -> None:
        self._status.unlink(missing_ok=True)

    def ports(self) -> Ports | None:
        return _read(self._ports, lambda document: Ports(**document))

    def keep_ports(self, ports: Ports) -> None:
        _write(self._ports, asdict(ports))

    def forget_ports(self) -> None:
        self._ports.unlink(missing_ok=True)

    @property
    def _wanted(self) -> Path:
        return self.root / "wanted.json"

    @property
    def _intended(self) -> Path:
        return self.root / "intended.json"

    @property
    def _drift(self) -> Path:
        return self.root / "drift.json"

    @property
    def _lifetime(self) -> Path:
        return self.root / "lifetime.json"

    @property
    def _status(self) -> Path:
        return self.root / "status.json"

    @property
    def _ports(self) -> Path:
        return self.root / "ports.json"


def take_lock(path: Path, *, patience_s: float = _PATIENCE_S, shared: bool = False) -> FileLock:
    """Take the lock, waiting for it at most `patience_s`; raises `LockHeldError`."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return FileLock.acquire(path, shared=shared)
        except LockHeldError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _read(path: Path, build: Callable[[dict[str, Any]], T]) -> T | None:
    """What `build` makes of the JSON document at `path`; None when there is no file."""
    try:
        return build(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"'{path.name}' of the endpoint '{path.parent.name}' cannot be read: {error}.",
            hint=f"Remove '{path}' and deploy again.",
        ) from error


def _write(path: Path, document: Mapping[str, Any]) -> None:
    """Replace the file as a whole: a reader, or a crash, meets the old document or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
