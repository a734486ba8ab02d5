"""What was in a stage when, and the evidence of each deployment: read from records that are never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from backend.domain.audit import AuditEvent, AuditFilter
from backend.domain.evidence import Decision, Evidence
from backend.domain.history import DELETED, Drifted, Era, drifts, era_at, eras
from backend.domain.promotion import Deployment, DeploymentKind
from backend.domain.registry import ModelVersion
from backend.domain.serving import Stage
from backend.errors import NotFoundError
from backend.ports.audit import AuditLog
from backend.ports.clock import Clock
from backend.ports.deployments import DeploymentStore
from backend.ports.evaluations import EvaluationStore
from backend.ports.registry import ModelRegistry
from backend.ports.serving import ServingPlatform
from backend.services.evidence_comparison import compare
from backend.services.promotion import Promotion

_ALL = 100_000
_DECISIONS = ("approve", "reject")


class EvidenceService:
    def __init__(
        self,
        promotion: Promotion,
        deployments: DeploymentStore,
        registry: ModelRegistry,
        serving: ServingPlatform,
        audit: AuditLog,
        evaluations: EvaluationStore,
        clock: Clock,
    ) -> None:
        self._promotion = promotion
        self._deployments = deployments
        self._registry = registry
        self._serving = serving
        self._audit = audit
        self._evaluations = evaluations
        self._clock = clock

    def of(self, deployment_id: str) -> Evidence:
        """All that is known about the deployment. Raises `NotFoundError`."""
        deployment = self._promotion.settle(self._deployments.get(deployment_id))
        version = self._version(deployment.version)
        previous = self._version(deployment.previous.version) if deployment.previous else None
        return Evidence(
            deployment=deployment,
            version=version,
            previous=previous,
            decision=self._decision(deployment),
            comparisons=compare(self._evaluations, version, previous) if version and previous else (),
            events=self._events(deployment),
            at=self._clock(),
        )

    def eras(self, stage: Stage) -> Sequence[Era]:
        """What the stage stood for, oldest first; empty when nothing was ever deployed to it."""
        deletions = self._audit.list_events(AuditFilter(actions=DELETED, subject=f"stage {stage.value}"), limit=_ALL)
        return eras(self._promotion.history(stage), deletions, self._serving.describe(stage).wanted)

    def at(self, stage: Stage, moment: datetime) -> tuple[Era | None, Sequence[Drifted]]:
        """What the stage stood for at the moment (None: nothing was ever deployed by then), and what else answered."""
        noticed = self._audit.list_events(AuditFilter(actions=("drift",), subject=f"stage {stage.value}"), limit=_ALL)
        then = [
            span for span in drifts(noticed) if span.since <= moment and (span.until is None or moment < span.until)
        ]
        return era_at(self.eras(stage), moment), then

    def _version(self, number: int) -> ModelVersion | None:
        try:
            return self._registry.get(number)
        except NotFoundError:
            return None

    def _decision(self, deployment: Deployment) -> Decision | None:
        """As the audit has it: the registry knows only the newest one, which may be of later."""
        found = self._audit.list_events(
            AuditFilter(
                actions=_DECISIONS,
                outcomes=("done",),
                subject=f"version {deployment.version}",
                until=deployment.started_at,
            ),
            limit=_ALL,
        )
        event = next((event for event in found if event.subject == f"version {deployment.version}"), None)
        if event is None:
            return None
        return Decision(verb=event.action, by=event.actor, at=event.at, comment=str(event.after.get("comment", "")))

    def _events(self, deployment: Deployment) -> Sequence[AuditEvent]:
        found: list[AuditEvent] = []
        if deployment.kind is DeploymentKind.RESTORE:
            drift = AuditFilter(
                actions=("drift",), subject=f"stage {deployment.stage.value}", until=deployment.started_at
            )
            found += self._audit.list_events(drift, limit=1)
        if deployment.correlation:
            found += reversed(self._audit.list_events(AuditFilter(correlation=deployment.correlation)))
        return found
