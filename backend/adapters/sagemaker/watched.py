"""Registry, endpoints and deployments for a dashboard: reads are answered in the background (`background.Answers`), so
that no page waits for AWS; writes and predictions go straight there, and make the next read a new look.

What a page shows may so be some seconds old. Nothing is decided by it: a deployment names what it expects to be served
and is refused when that has changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.adapters.sagemaker.background import LIST_SECONDS, Answers
from backend.domain.evaluation import Evaluation
from backend.domain.prediction import Answer
from backend.domain.promotion import Deployment
from backend.domain.registry import Approval, Decision, ModelVersion
from backend.domain.scaling import Autoscaling, Scale
from backend.domain.serving import Endpoint, EndpointMetrics, EndpointStatus, ServedModel, Stage
from backend.ports.deployments import DeploymentStore
from backend.ports.fleets import Fleets
from backend.ports.registry import ModelRegistry
from backend.ports.serving import Report, ServingPlatform

_CHANGING_S: Final = 2.0
_METRICS_S: Final = 30.0
"""CloudWatch has a new number each minute, and each look costs."""
_EVERYTHING: Final = "all"


class WatchedServing:
    """`ServingPlatform` for a dashboard."""

    def __init__(self, serving: ServingPlatform) -> None:
        self.unsupported = serving.unsupported
        self._serving = serving
        self._endpoints: Answers[Endpoint] = Answers(lambda stage: serving.describe(Stage(stage)), _pause)
        self._metrics: Answers[EndpointMetrics] = Answers(
            lambda stage: serving.measure(Stage(stage)), lambda _: _METRICS_S
        )
        self._costs: Answers[float | None] = Answers(
            lambda stage: serving.hourly_cost(Stage(stage)), lambda _: LIST_SECONDS
        )

    def describe(self, stage: Stage) -> Endpoint:
        return self._endpoints.get(stage.value)

    def measure(self, stage: Stage) -> EndpointMetrics:
        return self._metrics.get(stage.value)

    def hourly_cost(self, stage: Stage) -> float | None:
        return self._costs.get(stage.value)

    @contextmanager
    def hold(self, stage: Stage, holder: str) -> Iterator[None]:
        with self._serving.hold(stage, holder):
            self._endpoints.forget()  # what is planned under the hold is planned of what is served now
            try:
                yield
            finally:
                self._endpoints.forget()

    def deploy(self, stage: Stage, target: ServedModel, archive: Path, report: Report) -> Endpoint:
        try:
            return self._serving.deploy(stage, target, archive, report)
        finally:
            self._endpoints.forget()

    def predict(self, stage: Stage, images: npt.NDArray[np.float32]) -> Answer:
        return self._serving.predict(stage, images)

    def delete(self, stage: Stage) -> None:
        self._serving.delete(stage)
        self._endpoints.forget()

    def resume(self, stage: Stage) -> None:
        self._serving.resume(stage)
        self._endpoints.forget()

    def suspend(self, stage: Stage) -> None:
        self._serving.suspend(stage)
        self._endpoints.forget()


class WatchedFleets:
    """`Fleets` for a dashboard."""

    def __init__(self, fleets: Fleets) -> None:
        self.unsupported = fleets.unsupported
        self._fleets = fleets
        self._scales: Answers[Scale] = Answers(lambda stage: fleets.read(Stage(stage)), lambda _: LIST_SECONDS)

    def read(self, stage: Stage) -> Scale:
        return self._scales.get(stage.value)

    def set(self, stage: Stage, instances: int) -> None:
        self._fleets.set(stage, instances)
        self._scales.forget()

    def set_automatically(self, stage: Stage, rule: Autoscaling) -> None:
        self._fleets.set_automatically(stage, rule)
        self._scales.forget()

    def set_by_hand(self, stage: Stage) -> None:
        self._fleets.set_by_hand(stage)
        self._scales.forget()

    def watch(self, stage: Stage) -> Sequence[str]:
        return self._fleets.watch(stage)


class WatchedRegistry:
    """`ModelRegistry` for a dashboard."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry
        self._lists: Answers[Sequence[ModelVersion]] = Answers(
            lambda _: registry.list_versions(), lambda _: LIST_SECONDS
        )
        self._decisions: Answers[Sequence[Decision]] = Answers(
            lambda version: registry.decisions(int(version)), lambda _: LIST_SECONDS
        )

    def register(
        self, archive: Path, *, sha256: str, source_job: str, evaluation: Evaluation | None, registered_by: str
    ) -> ModelVersion:
        version = self._registry.register(
            archive, sha256=sha256, source_job=source_job, evaluation=evaluation, registered_by=registered_by
        )
        self._lists.forget()
        return version

    def get(self, version: int) -> ModelVersion:
        known = (one for one in self.list_versions() if one.version == version)
        return next(known, None) or self._registry.get(version)

    def list_versions(self) -> Sequence[ModelVersion]:
        return self._lists.get(_EVERYTHING)

    def set_approval(self, version: int, approval: Approval, *, by: str, comment: str) -> ModelVersion:
        decided = self._registry.set_approval(version, approval, by=by, comment=comment)
        self._lists.forget()
        self._decisions.forget()
        return decided

    def add_comment(self, version: int, *, by: str, comment: str) -> None:
        self._registry.add_comment(version, by=by, comment=comment)
        self._decisions.forget()

    def decisions(self, version: int) -> Sequence[Decision]:
        return self._decisions.get(str(version))

    def record_evaluation(self, version: int, evaluation: Evaluation) -> ModelVersion:
        evaluated = self._registry.record_evaluation(version, evaluation)
        self._lists.forget()
        return evaluated

    def fetch_archive(self, version: ModelVersion) -> Path:
        return self._registry.fetch_archive(version)


class WatchedDeployments:
    """`DeploymentStore` for a dashboard."""

    def __init__(self, deployments: DeploymentStore) -> None:
        self._deployments = deployments
        self._histories: Answers[Sequence[Deployment]] = Answers(
            lambda stage: deployments.history(Stage(stage) if stage else None), lambda _: _CHANGING_S
        )
        self._versions: Answers[Sequence[Deployment]] = Answers(self._ask, lambda _: LIST_SECONDS)

    def save(self, deployment: Deployment) -> None:
        self._deployments.save(deployment)
        self._histories.forget()
        self._versions.forget()

    def get(self, deployment_id: str) -> Deployment:
        return self._deployments.get(deployment_id)

    def of_version(self, stage: Stage, version: int) -> Sequence[Deployment]:
        return self._versions.get(f"{stage.value} {version}")

    def history(self, stage: Stage | None = None) -> Sequence[Deployment]:
        return self._histories.get(stage.value if stage else "")

    def _ask(self, question: str) -> Sequence[Deployment]:
        stage, version = question.split(" ")
        return self._deployments.of_version(Stage(stage), int(version))


def _pause(endpoint: Endpoint) -> float:
    changing = endpoint.status in (EndpointStatus.CREATING, EndpointStatus.UPDATING)
    return _CHANGING_S if changing else LIST_SECONDS


def _conforms_serving(adapter: WatchedServing) -> ServingPlatform:
    return adapter


def _conforms_fleets(adapter: WatchedFleets) -> Fleets:
    return adapter


def _conforms_registry(adapter: WatchedRegistry) -> ModelRegistry:
    return adapter


def _conforms_deployments(adapter: WatchedDeployments) -> DeploymentStore:
    return adapter
