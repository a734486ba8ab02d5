"""A serving platform without servers: models run in this process. Trusted because it passes the serving contract."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from backend.adapters.local.endpoint_folder import take_lock
from backend.adapters.local.processes import LockHeldError
from backend.adapters.triton.archive import Archive, read_archive
from backend.adapters.triton.canary import canary_images, require_canaries
from backend.adapters.triton.client import require_images
from backend.adapters.triton.onnx_model import require_servable
from backend.domain.capabilities import Unsupported
from backend.domain.drift import Difference
from backend.domain.loadtest import quantile
from backend.domain.prediction import Answer
from backend.domain.promotion import STEPS
from backend.domain.serving import Endpoint, EndpointMetrics, EndpointStatus, ServedModel, Stage
from backend.domain.steps import StepStatus
from backend.errors import ArchiveRejectedError, DigitsError, EndpointUnavailableError, StageBusyError
from backend.ports.serving import Report, ServingPlatform


class FakeServing:
    """`ServingPlatform` in memory. `locks` is the folder by which several processes exclude each other."""

    def __init__(self, locks: Path) -> None:
        self.unsupported: Unsupported = {}
        self._locks = locks
        self._sessions: dict[Stage, ort.InferenceSession] = {}
        self._endpoints: dict[Stage, Endpoint] = {}
        self._suspended: set[Stage] = set()
        self._latencies: dict[Stage, list[float]] = {}

    def describe(self, stage: Stage) -> Endpoint:
        endpoint = self._endpoints.get(stage, Endpoint(stage=stage, status=EndpointStatus.NOT_DEPLOYED))
        if stage in self._suspended:
            return replace(endpoint, status=EndpointStatus.FAILED, served=None, url="", detail="It was stopped.")
        return endpoint

    @contextmanager
    def hold(self, stage: Stage, holder: str) -> Iterator[None]:
        path = self._locks / f"{stage.value}.lock"
        try:
            lock = take_lock(path)
        except LockHeldError:
            raise StageBusyError(f"'{stage.value}' is being changed by {path.read_text()}.") from None
        with lock:
            path.write_text(holder)
            yield

    def load_past(self, stage: Stage, model: ServedModel, archive: Path) -> None:
        """Somebody loads the archive past all deployments."""
        endpoint = self._endpoints[stage]
        self._sessions[stage] = _session(read_archive(archive, sha256=model.sha256))
        self._latencies[stage] = []
        self._endpoints[stage] = replace(endpoint, served=model, drift=_differences(endpoint.wanted, model))

    def deploy(self, stage: Stage, target: ServedModel, archive: Path, report: Report) -> Endpoint:
        if self.describe(stage).served == target == self.describe(stage).wanted:
            for step in STEPS:
                report(step, StepStatus.COMPLETED, "serves already")
            return self.describe(stage)
        before = self._endpoints.get(stage), self._sessions.get(stage)
        sessions: list[ort.InferenceSession] = []
        try:
            for step in STEPS:
                report(step, StepStatus.IN_PROGRESS, "")
                try:
                    seen = self._step(step, stage, target, archive, sessions)
                except DigitsError as error:
                    report(step, StepStatus.FAILED, error.message)
                    raise
                report(step, StepStatus.COMPLETED, seen)
        except DigitsError:
            self._restore(stage, *before)
            raise
        return self.describe(stage)

    def _step(
        self, step: str, stage: Stage, target: ServedModel, archive: Path, sessions: list[ort.InferenceSession]
    ) -> str:
        if step == "validate":
            sessions.append(_session(self._validated(stage, target, archive)))
            return f"SHA-256 {target.sha256[:12]}"
        if step == "probe":
            return require_canaries(_ask(sessions[0], canary_images()), who=f"Version {target.version}")
        if step == "switch":
            self._switch(stage, target, sessions[0])
        if step == "verify":
            return require_canaries(_ask(self._sessions[stage], canary_images()), who=f"Version {target.version}")
        return "done"

    def _restore(self, stage: Stage, endpoint: Endpoint | None, session: ort.InferenceSession | None) -> None:
        if endpoint is None or session is None:
            self.delete(stage)
        else:
            self._endpoints[stage], self._sessions[stage] = endpoint, session

    def predict(self, stage: Stage, images: npt.NDArray[np.float32]) -> Answer:
        served = self.describe(stage).served
        if served is None:
            raise EndpointUnavailableError(f"Nothing answers on '{stage.value}'.")
        require_images(images)
        begun = time.perf_counter()
        rows = _ask(self._sessions[stage], images)
        latency = (time.perf_counter() - begun) * 1000
        self._latencies[stage].append(latency)
        return Answer(
            probabilities=tuple(tuple(row) for row in rows.tolist()), version=served.version, latency_ms=latency
        )

    def measure(self, stage: Stage) -> EndpointMetrics:
        served = self.describe(stage).served
        if served is None:
            raise EndpointUnavailableError(f"Nothing answers on '{stage.value}'.")
        latencies = sorted(self._latencies[stage])
        mean = sum(latencies) / len(latencies) if latencies else None
        return EndpointMetrics(
            at=datetime.now(UTC),
            version=served.version,
            requests=len(latencies),
            failed=0,
            mean_batch=1.0 if latencies else None,
            p50_ms=quantile(latencies, 0.5),
            p95_ms=quantile(latencies, 0.95),
            p99_ms=quantile(latencies, 0.99),
            queue_ms=0.0 if latencies else None,
            compute_ms=mean,
            cpu=0.25,
            memory_used=2**31,
            memory_total=2**33,
        )

    def hourly_cost(self, stage: Stage) -> float:
        return 0.0

    def delete(self, stage: Stage) -> None:
        self._endpoints.pop(stage, None)
        self._sessions.pop(stage, None)
        self._suspended.discard(stage)

    def resume(self, stage: Stage) -> None:
        self._suspended.discard(stage)

    def suspend(self, stage: Stage) -> None:
        if stage in self._endpoints:
            self._suspended.add(stage)

    def _validated(self, stage: Stage, target: ServedModel, path: Path) -> Archive:
        wanted = self.describe(stage).wanted
        if wanted and wanted.version == target.version and wanted != target:
            raise ArchiveRejectedError(f"Version {target.version} serves here with other bytes.")
        archive = read_archive(path, sha256=target.sha256)
        require_servable(archive.onnx)
        return archive

    def _switch(self, stage: Stage, target: ServedModel, session: ort.InferenceSession) -> None:
        self._sessions[stage] = session
        self._latencies[stage] = []
        self._suspended.discard(stage)
        self._endpoints[stage] = Endpoint(
            stage=stage,
            status=EndpointStatus.IN_SERVICE,
            wanted=target,
            served=target,
            url="http://127.0.0.1:18000",
            since=datetime.now(UTC),
        )


def _differences(wanted: ServedModel | None, served: ServedModel) -> tuple[Difference, ...]:
    if wanted is None or wanted == served:
        return ()
    return (
        Difference(what="version", wanted=str(wanted.version), served=str(served.version)),
        Difference(what="archive", wanted=wanted.sha256[:12], served=served.sha256[:12]),
    )


def _session(archive: Archive) -> ort.InferenceSession:
    return ort.InferenceSession(archive.onnx, providers=["CPUExecutionProvider"])


def _ask(session: ort.InferenceSession, images: Any) -> Any:
    return session.run(["output_1"], {"input_1": images})[0]


def _conforms(platform: FakeServing) -> ServingPlatform:
    return platform
