"""What endpoints said about known digits when a delivery asked them, kept in the audit: they may be gone since."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from backend.domain.audit import AuditEvent, AuditFilter
from backend.domain.delivery import is_delivery
from backend.domain.gates import StagingLook
from backend.domain.identity import Actor
from backend.domain.promotion import Deployment
from backend.domain.serving import ServedModel, Stage
from backend.ports.audit import AuditLog
from backend.ports.deployments import DeploymentStore
from backend.services.auditing import Auditor

ACTION: Final = "smoke test"
_AFTERWARDS: Final = timedelta(hours=1)
"""How long after its deployment a look is looked for: it follows within seconds, and an older log is long."""
_DEPLOYMENTS: Final = 5


def keep(auditor: Auditor, look: StagingLook, deployment: Deployment, endpoint: str, *, actor: Actor) -> None:
    """Write the look down beside the deployment, which must have the correlation id of now."""
    with auditor.audited(actor, ACTION, f"stage {deployment.stage.value}") as effect:
        effect.after = {
            "version": look.model.version,
            "sha256": look.model.sha256,
            "deployment": deployment.id,
            "endpoint": endpoint,
            "at": look.at.isoformat(),
            "digits": look.digits,
            "asked": look.asked,
            "failed": look.failed,
            "right": look.right,
            "p50_ms": look.p50_ms,
            "p99_ms": look.p99_ms,
        }


def recall(audit: AuditLog, deployments: DeploymentStore, target: ServedModel) -> StagingLook | None:
    """The newest look that a delivery to staging, or to an endpoint beside it, kept of these very bytes."""
    good = [
        deployment
        for deployment in deployments.of_version(Stage.STAGING, target.version)
        if is_delivery(deployment.id, Stage.STAGING)
        and deployment.outcome.is_good
        and deployment.sha256 == target.sha256
    ]
    for deployment in good[:_DEPLOYMENTS]:
        ended = deployment.ended_at or deployment.started_at
        wanted = AuditFilter(
            actions=(ACTION,),
            correlation=deployment.correlation,
            since=deployment.started_at,
            until=ended + _AFTERWARDS,
        )
        for event in audit.list_events(wanted, limit=10):
            if event.after.get("deployment") == deployment.id:
                return _look(event, target)
    return None


def _look(event: AuditEvent, target: ServedModel) -> StagingLook:
    after = event.after
    return StagingLook(
        model=target,
        at=datetime.fromisoformat(after["at"]),
        digits=after["digits"],
        asked=after["asked"],
        failed=after["failed"],
        right=after["right"],
        p50_ms=after["p50_ms"],
        p99_ms=after["p99_ms"],
        endpoint=after["endpoint"],
    )
