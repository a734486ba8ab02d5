"""The record of a deployment, written as it goes, so that a page can follow and nothing is lost with the process."""

from __future__ import annotations

from dataclasses import replace

from backend.domain.probing import ProbeStream
from backend.domain.promotion import Deployment, Outcome
from backend.domain.steps import StepStatus, moved
from backend.errors import DigitsError
from backend.ports.clock import Clock
from backend.ports.deployments import DeploymentStore


class DeploymentRecord:
    """A deployment being written as it goes."""

    def __init__(self, deployment: Deployment, store: DeploymentStore, clock: Clock) -> None:
        self._deployment = deployment
        self._store = store
        self._clock = clock
        store.save(deployment)

    def report(self, name: str, status: StepStatus, detail: str) -> None:
        steps = moved(self._deployment.steps, name, status, detail, self._clock())
        self._deployment = replace(self._deployment, steps=steps)
        self._store.save(self._deployment)

    def saw(self, probe: ProbeStream) -> None:
        """Kept with the ending: a deployment whose process dies takes its probe stream along."""
        self._deployment = replace(self._deployment, probe=probe)

    def finish(self, outcome: Outcome, error: DigitsError | None = None) -> Deployment:
        if error is not None:
            for step in self._deployment.steps:
                if step.status is StepStatus.IN_PROGRESS:
                    self.report(step.name, StepStatus.FAILED, error.message)
        self._deployment = replace(
            self._deployment,
            outcome=outcome,
            ended_at=self._clock(),
            error=error.message if error else "",
            hint=error.hint if error else "",
        )
        self._store.save(self._deployment)
        return self._deployment
