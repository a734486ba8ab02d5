"""What a stage stood for at any moment, from its deployments and its deletions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from backend.domain.audit import AuditEvent
from backend.domain.drift import DRIFTED
from backend.domain.lifetimes import EXPIRED
from backend.domain.promotion import Deployment, Outcome
from backend.domain.serving import ServedModel

DELETED: Final = ("delete", EXPIRED)
"""The actions of the audit events that end what a stage serves without a deployment."""


@dataclass(frozen=True, kw_only=True)
class Era:
    """From `since` (included) to `until` (not; None: it lasts) the stage stood for `model`, None for nothing.

    `by` and `deployment` are who and what began it; the deployment's id is empty for a deletion.
    """

    since: datetime
    model: ServedModel | None
    by: str
    deployment: str = ""
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Drifted:
    """Between these moments something else answered than the stage stood for; `until` None: it lasts, or the stage was
    started again in between.
    """

    since: datetime
    until: datetime | None
    differences: str


def eras(history: Sequence[Deployment], deletions: Sequence[AuditEvent], standing: ServedModel | None) -> Sequence[Era]:
    """What the stage stood for, oldest first, without gaps from the first deployment on.

    `history` and `deletions` are of one stage, in any order; `standing` is what it stands for now. A deployment counts
    from its switch on; one that changed nothing begins no era. One whose process died counts if its model is what the
    next one found serving, or what stands now.
    """
    ordered = sorted(history, key=lambda deployment: deployment.started_at)
    found_serving = [*(deployment.previous for deployment in ordered[1:]), standing]
    changes = [
        Era(
            since=_switched_at(deployment),
            model=_model(deployment),
            by=deployment.requested_by,
            deployment=deployment.id,
        )
        for deployment, then in zip(ordered, found_serving, strict=False)
        if deployment.outcome.is_good
        or (deployment.outcome is Outcome.INTERRUPTED and _model(deployment) == then != deployment.previous)
    ]
    changes += [
        Era(since=event.at, model=None, by=event.actor)
        for event in deletions
        if event.action in DELETED and event.outcome == "done"
    ]
    found: list[Era] = []
    for change in sorted(changes, key=lambda era: era.since):
        if change.model == (found[-1].model if found else None):
            continue
        if found:
            found[-1] = replace(found[-1], until=change.since)
        found.append(change)
    return found


def era_at(eras: Sequence[Era], moment: datetime) -> Era | None:
    """The era that the moment lies in; None before the first."""
    return next((era for era in reversed(eras) if era.since <= moment), None)


def drifts(events: Sequence[AuditEvent]) -> Sequence[Drifted]:
    """The guard's events of one stage, in any order, as spans, oldest first."""
    found: list[Drifted] = []
    for event in sorted(events, key=lambda event: event.at):
        if found and found[-1].until is None:
            found[-1] = replace(found[-1], until=event.at)
        if event.outcome == DRIFTED:
            found.append(Drifted(since=event.at, until=None, differences=str(event.after.get("differences", ""))))
    return found


def _model(deployment: Deployment) -> ServedModel:
    return ServedModel(version=deployment.version, sha256=deployment.sha256)


def _switched_at(deployment: Deployment) -> datetime:
    return deployment.switched_at or deployment.ended_at or deployment.started_at
