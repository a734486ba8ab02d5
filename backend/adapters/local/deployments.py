"""The history of the stages, in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, insert, select, update

from backend.adapters.local.database import Database
from backend.adapters.local.gate_records import gate_document, override_document, read_gate, read_override
from backend.adapters.local.schema import deployments
from backend.adapters.local.steps import read_step, step_document
from backend.domain.origin import Origin
from backend.domain.probing import ProbeStream, Span
from backend.domain.promotion import Deployment, DeploymentKind, Outcome
from backend.domain.serving import ServedModel, Stage
from backend.errors import NotFoundError
from backend.ports.deployments import DeploymentStore


class LocalDeployments:
    """`DeploymentStore` in this machine's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, deployment: Deployment) -> None:
        values = {
            "stage": deployment.stage.value,
            "version": deployment.version,
            "sha256": deployment.sha256,
            "previous_version": deployment.previous.version if deployment.previous else None,
            "previous_sha256": deployment.previous.sha256 if deployment.previous else None,
            "requested_by": deployment.requested_by,
            "started_at": deployment.started_at,
            "ended_at": deployment.ended_at,
            "outcome": deployment.outcome.value,
            "steps": [step_document(step) for step in deployment.steps],
            "error": deployment.error,
            "hint": deployment.hint,
            "kind": deployment.kind.value,
            "probe": None if deployment.probe is None else asdict(deployment.probe),
            "origin": asdict(deployment.origin),
            "correlation": deployment.correlation,
            "gates": [gate_document(gate) for gate in deployment.gates],
            "gate_override": None if deployment.override is None else override_document(deployment.override),
        }
        mine = deployments.c.id == deployment.id
        with self._database.write() as connection:
            known = connection.execute(select(deployments.c.outcome).where(mine)).first()
            if known is None:
                connection.execute(insert(deployments).values(id=deployment.id, **values))
            elif known.outcome == Outcome.IN_PROGRESS.value:
                connection.execute(update(deployments).where(mine).values(values))

    def get(self, deployment_id: str) -> Deployment:
        with self._database.read() as connection:
            row = connection.execute(select(deployments).where(deployments.c.id == deployment_id)).first()
        if row is None:
            raise NotFoundError(f"No deployment '{deployment_id}'.")
        return _deployment(row)

    def history(self, stage: Stage | None = None) -> Sequence[Deployment]:
        query = select(deployments).order_by(deployments.c.started_at.desc(), deployments.c.id.desc())
        if stage is not None:
            query = query.where(deployments.c.stage == stage.value)
        with self._database.read() as connection:
            return [_deployment(row) for row in connection.execute(query).all()]

    def of_version(self, stage: Stage, version: int) -> Sequence[Deployment]:
        return [deployment for deployment in self.history(stage) if deployment.version == version]


def _deployment(row: Row[Any]) -> Deployment:
    previous = None
    if row.previous_version is not None:
        previous = ServedModel(version=row.previous_version, sha256=row.previous_sha256)
    return Deployment(
        id=row.id,
        stage=Stage(row.stage),
        version=row.version,
        sha256=row.sha256,
        previous=previous,
        requested_by=row.requested_by,
        started_at=row.started_at,
        outcome=Outcome(row.outcome),
        steps=tuple(read_step(document) for document in row.steps),
        ended_at=row.ended_at,
        error=row.error,
        hint=row.hint,
        kind=DeploymentKind(row.kind),
        probe=None if row.probe is None else _probe(row.probe),
        origin=Origin(**row.origin),
        correlation=row.correlation,
        gates=tuple(read_gate(document) for document in row.gates),
        override=None if row.gate_override is None else read_override(row.gate_override),
    )


def _probe(document: Mapping[str, Any]) -> ProbeStream:
    spans = {name: Span(**document[name]) for name in ("before", "during", "after")}
    return ProbeStream(**{**document, **spans, "versions": tuple(document["versions"])})


def _conforms(adapter: LocalDeployments) -> DeploymentStore:
    return adapter
