"""The stages' endpoints of this machine: one Triton each, ours on the loopback interface or one that runs already."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.adapters.local.endpoint_deployment import is_well, load_and_switch, validate
from backend.adapters.local.endpoint_folder import EndpointFolder, RunnerState, Wanted, take_lock
from backend.adapters.local.endpoint_look import Look, look
from backend.adapters.local.endpoint_state import explain, judge
from backend.adapters.local.external_server import ExternalTriton
from backend.adapters.local.processes import FileLock, LockHeldError, is_held, reap, spawn_detached
from backend.adapters.triton.client import TritonClient
from backend.adapters.triton.environment import locate
from backend.adapters.triton.metrics import parse_metrics, read_page
from backend.adapters.triton.server import Ports, end_orphaned_stubs
from backend.domain.capabilities import Unsupported
from backend.domain.lifetimes import NO_LIMIT
from backend.domain.prediction import Answer
from backend.domain.promotion import STEPS
from backend.domain.serving import Endpoint, EndpointMetrics, EndpointStatus, ServedModel, Stage
from backend.domain.steps import StepStatus
from backend.errors import DigitsError, EndpointUnavailableError, StageBusyError
from backend.ports.clock import Clock
from backend.ports.serving import Report, ServingPlatform

_START_TIMEOUT_S: Final = 45.0
_STOP_TIMEOUT_S: Final = 12.0
_LOAD_LOCK_PATIENCE_S: Final = 45.0
_LOOK_TIMEOUT_S: Final = 0.4
_RUNNER: Final = "backend.adapters.local.endpoint_runner"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class LocalEndpoints:
    """`ServingPlatform` of this machine. `home` is the state folder, `serving_env` the environment Triton lives in.

    A stage in `external` is served by that Triton, which runs already.
    """

    def __init__(
        self,
        home: Path,
        serving_env: Path,
        clock: Clock = _utc_now,
        external: Mapping[Stage, ExternalTriton] | None = None,
    ) -> None:
        self.unsupported: Unsupported = {}
        self._home = home
        self._serving_env = serving_env
        self._clock = clock
        self._external = external or {}

    def describe(self, stage: Stage) -> Endpoint:
        folder = self._folder(stage)
        external = self._external.get(stage)
        said = external.told(stage) if external else ""
        try:
            return replace(self._described(folder, stage), external=said)
        except DigitsError as error:
            return Endpoint(stage=stage, status=EndpointStatus.FAILED, detail=error.message, external=said)

    def _described(self, folder: EndpointFolder, stage: Stage) -> Endpoint:
        """Raises `StoreError` when a file of the folder is damaged."""
        wanted, status, ports = folder.wanted(), folder.status(), folder.ports()
        lives = is_held(folder.lock)
        changing = is_held(folder.load_lock)
        if wanted is None:
            state = EndpointStatus.CREATING if changing else EndpointStatus.NOT_DEPLOYED
            detail = "The first deployment is under way." if changing else "Nothing is deployed."
            return Endpoint(stage=stage, status=state, detail=detail)
        # Only while our own server is up: whoever took its port meanwhile may be another installation's Triton.
        ours = lives and status is not None and status.takes_loads
        seen = _look(folder, wanted, ports) if ours and ports else Look()
        if seen.drift and folder.wanted() != wanted:
            return self._described(folder, stage)  # a deployment has ended between the two looks
        state, detail = judge(wanted.model, seen, status if lives else None, changing=changing)
        return Endpoint(
            stage=stage,
            status=state,
            wanted=wanted.model,
            served=seen.served,
            url=ports.url if ports and ours else "",
            since=wanted.since,
            detail=detail,
            drift=seen.drift if state is EndpointStatus.IN_SERVICE else (),
        )

    @contextmanager
    def hold(self, stage: Stage, holder: str) -> Iterator[None]:
        path = self._folder(stage).deploy_lock
        try:
            lock = take_lock(path)
        except LockHeldError:
            raise StageBusyError(
                f"'{stage.value}' is being changed by {path.read_text(encoding='utf-8').strip() or 'another process'}.",
                hint="Wait for that deployment to end.",
            ) from None
        with lock:
            path.write_text(holder, encoding="utf-8")
            yield

    def deploy(self, stage: Stage, target: ServedModel, archive: Path, report: Report) -> Endpoint:
        folder = self._folder(stage)
        wanted = folder.wanted()
        if wanted and wanted.model == target and self._answers(folder, wanted, stage):
            for step in STEPS:
                report(step, StepStatus.COMPLETED, f"version {target.version} serves already")
            return self.describe(stage)
        checked = validate(folder, target, archive, report)
        if folder.lifetime().taken_down_at or folder.lifetime().is_due(self._clock()):
            folder.keep_lifetime(NO_LIMIT)
        with self._loading(folder):
            load_and_switch(
                folder,
                checked,
                target,
                report,
                start_server=lambda: self._start_server(folder, stage),
                clock=self._clock,
            )
        return self.describe(stage)

    def predict(self, stage: Stage, images: npt.NDArray[np.float32]) -> Answer:
        ports, _ = self._up(stage)
        reply = _client(ports).infer(images)
        rows = tuple(tuple(row) for row in reply.probabilities.tolist())
        return Answer(probabilities=rows, version=reply.version, latency_ms=reply.latency_ms)

    def measure(self, stage: Stage) -> EndpointMetrics:
        ports, wanted = self._up(stage)
        page = read_page(ports.address(ports.metrics), timeout_s=_LOOK_TIMEOUT_S)
        served = _look(self._folder(stage), wanted, ports).served or wanted.model
        return parse_metrics(page, version=served.version, at=self._clock())

    def hourly_cost(self, stage: Stage) -> float:
        return 0.0  # it is this machine

    def delete(self, stage: Stage) -> None:
        folder = self._folder(stage)
        if not folder.root.exists():
            return
        with self._loading(folder):
            folder.want_nothing()
            folder.keep_lifetime(NO_LIMIT)
            self.suspend(stage)
            folder.repository.clear()
            folder.say_nothing()

    def suspend(self, stage: Stage) -> None:
        """End the stage's processes; what is wanted stays, and `resume` serves it again."""
        folder = self._folder(stage)
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        signals = iter((signal.SIGTERM,))
        while is_held(folder.lock):
            status = folder.status()
            late = time.monotonic() > deadline
            number = signal.SIGKILL if late else next(signals, None) if status else None
            if status and number:
                _send(status.pid, number)
            if late and time.monotonic() > deadline + _STOP_TIMEOUT_S:
                raise EndpointUnavailableError(f"The runner of '{stage.value}' does not end.")
            reap()
            time.sleep(0.02)
        end_orphaned_stubs(folder.backends)  # of a runner that was killed

    def resume(self, stage: Stage) -> None:
        """Start the stage's runner again if it died (or the machine was restarted) while something is wanted.

        Returns at once; nothing changes for a stage that is served or that nothing is wanted of.
        Raises `SetupError` when this machine lacks what Triton needs.
        """
        folder = self._folder(stage)
        if folder.wanted() is None:
            return
        self._leave_another_server(folder, stage)
        if not is_held(folder.lock):
            self._spawn_runner(folder, stage)

    def _folder(self, stage: Stage) -> EndpointFolder:
        external = self._external.get(stage)
        return EndpointFolder(self._home, stage, external.repository if external else None)

    def _leave_another_server(self, folder: EndpointFolder, stage: Stage) -> None:
        """End a runner whose server is not the one that the settings name now."""
        if is_held(folder.lock) and self._is_of_another_server(folder, stage):
            self.suspend(stage)

    def _is_of_another_server(self, folder: EndpointFolder, stage: Stage) -> bool:
        kept, external = folder.ports(), self._external.get(stage)
        return kept is not None and (kept if kept.external else None) != (external.ports if external else None)

    def _up(self, stage: Stage) -> tuple[Ports, Wanted]:
        """Where the stage's server listens and what it should serve. Raises `EndpointUnavailableError` when down."""
        folder = self._folder(stage)
        ports, wanted = folder.ports(), folder.wanted()
        if wanted is None or ports is None:
            raise EndpointUnavailableError(f"Nothing is deployed to '{stage.value}'.", hint="Promote a version to it.")
        status = folder.status() if is_held(folder.lock) else None
        if status is None or not status.takes_loads:  # whoever answers at that address, it is not our server
            raise EndpointUnavailableError(f"'{stage.value}' is down. {explain(status)}")
        return ports, wanted

    def _answers(self, folder: EndpointFolder, wanted: Wanted, stage: Stage) -> bool:
        """Whether what is wanted serves as it was deployed, where the settings say, and passes the examination."""
        ports, status = folder.ports(), folder.status()
        ours = status is not None and status.takes_loads and is_held(folder.lock)
        if ports is None or not ours or self._is_of_another_server(folder, stage) or _look(folder, wanted, ports).drift:
            return False
        return is_well(_client(ports), wanted.model)

    @contextmanager
    def _loading(self, folder: EndpointFolder) -> Iterator[None]:
        try:
            lock = take_lock(folder.load_lock, patience_s=_LOAD_LOCK_PATIENCE_S)
        except LockHeldError:
            raise EndpointUnavailableError(
                f"'{folder.root.name}' has been busy for {_LOAD_LOCK_PATIENCE_S:.0f} s with loading a model.",
                hint=f"See '{folder.runner_log}'.",
            ) from None
        with lock:
            yield

    def _start_server(self, folder: EndpointFolder, stage: Stage) -> TritonClient:
        """The client of the stage's server, once it is up; a runner is started if none lives.

        A runner that is just leaving is waited for and followed by a new one.
        """
        self._leave_another_server(folder, stage)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if not is_held(folder.lock):
                self._spawn_runner(folder, stage)
            status, ports = folder.status(), folder.ports()
            if status and ports and status.takes_loads:
                return _client(ports)
            if status and status.state is RunnerState.FAILED:
                raise EndpointUnavailableError(f"'{stage.value}' cannot be served: {status.detail}")
            time.sleep(0.02)
        raise EndpointUnavailableError(
            f"The Triton server of '{stage.value}' is not up after {_START_TIMEOUT_S:.0f} s.",
            hint=f"See '{folder.triton_log}' and '{folder.runner_log}'.",
        )

    def _spawn_runner(self, folder: EndpointFolder, stage: Stage) -> None:
        external = self._external.get(stage)
        if external is None:
            locate(self._serving_env)  # says here, to the person who asks, what is missing
        try:
            lock = FileLock.acquire(folder.lock)
        except LockHeldError:
            return
        if self._is_of_another_server(folder, stage):
            folder.forget_ports()
        folder.say_nothing()  # else the dead runner's last words would be taken for the new one's
        command = [sys.executable, "-m", _RUNNER, "--home", str(self._home.absolute()), "--stage", stage.value]
        if external is None:
            command += ["--serving-env", str(self._serving_env.absolute())]
        else:
            command += ["--triton", external.url, "--repository", str(external.repository.absolute())]
        spawn_detached(command, lock=lock, log=folder.runner_log, env=_runner_environment())


def _look(folder: EndpointFolder, wanted: Wanted, ports: Ports) -> Look:
    try:
        return look(folder, wanted, _client(ports), timeout_s=_LOOK_TIMEOUT_S)
    except EndpointUnavailableError:
        return Look()  # the contract: an endpoint that is down is described, not raised about


def _client(ports: Ports) -> TritonClient:
    return TritonClient(http_address=ports.address(ports.http), grpc_address=ports.address(ports.grpc))


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended by itself in this moment


def _runner_environment() -> dict[str, str]:
    """No secret of the dashboard's travels to the runner. gRPC's fork handlers would warn, and can hang, at a start."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    root = Path(__file__).resolve().parents[3]
    return {**kept, "PYTHONPATH": str(root), "GRPC_ENABLE_FORK_SUPPORT": "0"}


def _conforms(endpoints: LocalEndpoints) -> ServingPlatform:
    return endpoints
