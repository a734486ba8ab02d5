"""Deployments: one change of what a stage serves, planned, applied, verified and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from statistics import median
from typing import Final

from backend.domain.gates import GateResult, Override
from backend.domain.origin import Origin
from backend.domain.probing import ProbeStream
from backend.domain.registry import ModelVersion
from backend.domain.serving import ServedModel, Stage
from backend.domain.steps import Step, StepStatus

STEPS: Final = ("validate", "load", "warm", "probe", "switch", "drain", "verify")
"""In order. What served before answers until `switch`; what is deployed is kept from the end of `verify` on."""


class Outcome(Enum):
    """`InProgress` until the deployment ended. `Interrupted`: its process died before it could say how it ended."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    UNCHANGED = "Unchanged"
    ROLLED_BACK = "RolledBack"
    FAILED = "Failed"
    INTERRUPTED = "Interrupted"

    @property
    def is_good(self) -> bool:
        return self in (Outcome.SUCCEEDED, Outcome.UNCHANGED)


class DeploymentKind(Enum):
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    RESTORE = "restore"
    """Back to what the stage should serve, after somebody had loaded something else past the deployments."""


@dataclass(frozen=True, kw_only=True)
class DeploymentPlan:
    """What a deployment would do, made before anyone confirms it.

    `serving` is what the stage serves now, `incumbent` that version (None when nothing serves, or something that the
    registry does not know). `usually` is the median of what this stage's own deployments took; None before the first.
    `rollback_to` is what a rollback right after it would serve. `hourly_cost` is in US dollars,
    None where nobody knows the price.
    """

    stage: Stage
    version: ModelVersion
    serving: ServedModel | None
    incumbent: ModelVersion | None = None
    usually: timedelta | None = None
    rollback_to: ServedModel | None = None
    hourly_cost: float | None = 0.0

    @property
    def target(self) -> ServedModel:
        return ServedModel(version=self.version.version, sha256=self.version.sha256)

    @property
    def changes_nothing(self) -> bool:
        return self.serving == self.target


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The record of one change of what a stage serves: from, to, who, when, steps and outcome.

    `probe` is what clients would have noticed; None when nothing was asked. `correlation` is the id under which log and
    audit tell of it. `gates` is what they said when it began: empty for a rollback, which asks none, and for records
    older than gates. `override` is there when an approver let it through in spite of some of them.
    """

    id: str
    stage: Stage
    version: int
    sha256: str
    previous: ServedModel | None
    requested_by: str
    started_at: datetime
    outcome: Outcome = Outcome.IN_PROGRESS
    steps: tuple[Step, ...] = ()
    ended_at: datetime | None = None
    error: str = ""
    hint: str = ""
    kind: DeploymentKind = DeploymentKind.PROMOTE
    probe: ProbeStream | None = None
    origin: Origin = field(default_factory=Origin)
    correlation: str = ""
    gates: tuple[GateResult, ...] = ()
    override: Override | None = None

    @property
    def switched_at(self) -> datetime | None:
        """From when on the stage answered with this version; None when it was never switched to."""
        switch = next((step for step in self.steps if step.name == "switch"), None)
        return switch.ended_at if switch is not None and switch.status is StepStatus.COMPLETED else None

    @property
    def restored_in(self) -> timedelta | None:
        """Of a rollback or a restoration that ended well: from its beginning until what had served well answered again.

        What comes after (letting go of the other version, verifying) is not in it. None for what restored nothing.
        """
        if self.kind is DeploymentKind.PROMOTE or self.outcome is not Outcome.SUCCEEDED or self.switched_at is None:
            return None
        return self.switched_at - self.started_at


def usual_duration(history: Sequence[Deployment]) -> timedelta | None:
    """The median of the deployments that changed what serves and ended well; None when there are none."""
    took = [
        (deployment.ended_at - deployment.started_at).total_seconds()
        for deployment in history
        if deployment.outcome is Outcome.SUCCEEDED and deployment.ended_at is not None
    ]
    return timedelta(seconds=median(took)) if took else None


def rollback_target(history: Sequence[Deployment], serving: ServedModel | None) -> ServedModel | None:
    """What served well before `serving`; None when nothing did. `history` is of one stage, newest first.

    Deployments are a stack: a promotion that succeeded pushes its model, a rollback that succeeded pops down to its
    own. So a version that was rolled back from is never the target of the next rollback, and neither is "the number
    before this one". One that found its model serving already pushes it too: the deployment that brought it may have
    died before it could say so. As long as nothing has said so, the top of the stack is what served before it.
    """
    served_well: list[ServedModel] = []
    for deployment in reversed(history):
        if not deployment.outcome.is_good:
            continue
        model = ServedModel(version=deployment.version, sha256=deployment.sha256)
        if deployment.kind is DeploymentKind.ROLLBACK and model in served_well:
            while served_well[-1] != model:
                served_well.pop()
        else:
            served_well.append(model)
    if serving is not None and served_well and served_well[-1] != serving:
        return served_well[-1]
    below = [model for model in served_well[:-1] if model != served_well[-1]]
    return below[-1] if below else None
