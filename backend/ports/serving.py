"""The endpoints of the two stages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from backend.domain.capabilities import Unsupported
from backend.domain.prediction import Answer
from backend.domain.serving import Endpoint, EndpointMetrics, ServedModel, Stage
from backend.domain.steps import StepStatus

Report = Callable[[str, StepStatus, str], None]
"""Called as each step (a name of `promotion.STEPS`) begins and ends, with what was observed."""


class ServingPlatform(Protocol):
    unsupported: Unsupported
    """What this platform cannot do, with the reasons."""

    def describe(self, stage: Stage) -> Endpoint:
        """The stage as it is now, within a second; never raises for an endpoint that is down: its status says so.

        What was loaded past all deployments is `InService` with its `drift`, and stays until somebody deploys.
        """
        ...

    def hold(self, stage: Stage, holder: str) -> AbstractContextManager[None]:
        """Hold the stage for one deployment; given back when the block ends, or when the process dies: at once, or
        within a minute where several machines share the stage.

        Raises `StageBusyError`, which names the other holder, at once.
        """
        ...

    def deploy(self, stage: Stage, target: ServedModel, archive: Path, report: Report) -> Endpoint:
        """Make the stage serve `target` from `archive`, and return only when it is seen to serve it.

        The caller holds the stage. In order: validate (digest, members, tensors), load beside what serves, warm (its
        first executions), probe (version, digest and known digits), switch, drain (what served before, and what was
        loaded beside, are let go), verify (as probe, at the stage's address). The old version answers until the
        switch, and again after a failure in any step. A process that dies in any of them leaves the old version
        serving, or the new one when all was verified. Repeating a finished deployment changes nothing.
        Raises `ArchiveRejectedError` before anything was loaded, `DeploymentFailedError` after,
        `EndpointUnavailableError` when no server can be started or reached.
        """
        ...

    def predict(self, stage: Stage, images: npt.NDArray[np.float32]) -> Answer:
        """Ask the stage about `images` [N, 28, 28, 1] in [0, 1], N from 1 to 64; waits at most two seconds.

        Raises `EndpointUnavailableError` when nothing is deployed or it does not answer, and
        `DeploymentFailedError` when it answers nonsense (other shapes, or rows that do not sum to 1).
        """
        ...

    def measure(self, stage: Stage) -> EndpointMetrics:
        """What the stage's server counts and times by itself about the version it serves, within a second.

        Asking changes nothing that is counted; what supervises the endpoint asks it too, and that is counted.
        Raises `EndpointUnavailableError` when nothing is deployed, or what serves does not say.
        """
        ...

    def hourly_cost(self, stage: Stage) -> float | None:
        """What serving the stage costs an hour, in US dollars; 0 where nobody sends a bill, None where the price is
        not known, or not yet.
        """
        ...

    def delete(self, stage: Stage) -> None:
        """Stop serving the stage and free what it used; records stay. Deleting twice changes nothing."""
        ...

    def resume(self, stage: Stage) -> None:
        """Let the stage serve again what it should, after a restart of the machine; nothing where it already does."""
        ...

    def suspend(self, stage: Stage) -> None:
        """Stop what serves the stage on this machine; what is wanted stays wanted, and `resume` serves it again.

        Raises `RefusedError` where something serves and `Feature.SUSPEND` is unsupported.
        """
        ...
