"""Model versions on this machine: rows in the database, archives as read-only files under `models/<version>/`."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Insert, Row, func, insert, select, update

from backend.adapters.local.database import Database
from backend.adapters.local.home import Home
from backend.adapters.local.packing import sha256_of
from backend.adapters.local.schema import decisions, model_versions
from backend.domain.evaluation import Evaluation
from backend.domain.registry import Approval, Decision, DecisionKind, ModelVersion
from backend.errors import ArchiveRejectedError, NotFoundError
from backend.ports.registry import ModelRegistry


class LocalRegistry:
    """`ModelRegistry` on this machine."""

    def __init__(self, database: Database, home: Home) -> None:
        self._database = database
        self._home = home

    def register(
        self, archive: Path, *, sha256: str, source_job: str, evaluation: Evaluation | None, registered_by: str
    ) -> ModelVersion:
        incoming = self._copy(archive, sha256)
        try:
            with self._database.write() as connection:
                known = connection.execute(
                    select(model_versions.c.version).where(
                        model_versions.c.sha256 == sha256, model_versions.c.source_job == source_job
                    )
                ).first()
                if known:
                    return self.get(known.version)
                number = (connection.execute(select(func.max(model_versions.c.version))).scalar() or 0) + 1
                # The file is in place before the row that names it: a version without its archive never exists.
                final = self._home.version(number)
                final.parent.mkdir(parents=True, exist_ok=True)
                size = incoming.stat().st_size
                incoming.replace(final)
                connection.execute(
                    insert(model_versions).values(
                        version=number,
                        sha256=sha256,
                        size_bytes=size,
                        source_job=source_job,
                        evaluation=None if evaluation is None else _evaluation_document(evaluation),
                        approval=Approval.PENDING.value,
                        approval_by="",
                        approval_comment="",
                        registered_by=registered_by,
                        created_at=datetime.now(UTC),
                    )
                )
        finally:
            incoming.unlink(missing_ok=True)
        return self.get(number)

    def _copy(self, archive: Path, sha256: str) -> Path:
        """A read-only copy beside the versions, whose digest was checked after it was written."""
        folder = self._home.root / "models"
        folder.mkdir(parents=True, exist_ok=True)
        incoming = folder / f".incoming-{sha256[:12]}-{secrets.token_hex(8)}"
        shutil.copyfile(archive, incoming)
        incoming.chmod(0o444)
        observed = sha256_of(incoming)
        if observed != sha256:
            incoming.unlink()
            raise ArchiveRejectedError(
                f"Archive '{archive.name}' has SHA-256 {observed[:12]}; expected {sha256[:12]}.",
                hint="The file changed after its job completed. Train again.",
            )
        return incoming

    def get(self, version: int) -> ModelVersion:
        with self._database.read() as connection:
            row = connection.execute(select(model_versions).where(model_versions.c.version == version)).first()
        if row is None:
            raise NotFoundError(f"No model version {version}.", hint="`python -m backend models list` shows all.")
        return self._version(row)

    def list_versions(self) -> Sequence[ModelVersion]:
        with self._database.read() as connection:
            rows = connection.execute(select(model_versions).order_by(model_versions.c.version.desc())).all()
        return [self._version(row) for row in rows]

    def set_approval(self, version: int, approval: Approval, *, by: str, comment: str) -> ModelVersion:
        now = datetime.now(UTC)
        values = {"approval": approval.value, "approval_by": by, "approval_comment": comment, "approval_at": now}
        kind = DecisionKind(approval.value)
        self.get(version)
        with self._database.write() as connection:
            connection.execute(update(model_versions).where(model_versions.c.version == version).values(values))
            connection.execute(_decision(version, kind, by, now, comment))
        return self.get(version)

    def add_comment(self, version: int, *, by: str, comment: str) -> None:
        self.get(version)
        with self._database.write() as connection:
            connection.execute(_decision(version, DecisionKind.COMMENT, by, datetime.now(UTC), comment))

    def decisions(self, version: int) -> Sequence[Decision]:
        self.get(version)
        mine = select(decisions).where(decisions.c.version == version).order_by(decisions.c.id.desc())
        with self._database.read() as connection:
            rows = connection.execute(mine).all()
        return [
            Decision(
                version=row.version,
                kind=DecisionKind(row.kind),
                by=row.decided_by,
                at=row.at,
                comment=row.comment,
            )
            for row in rows
        ]

    def record_evaluation(self, version: int, evaluation: Evaluation) -> ModelVersion:
        values = {"evaluation": _evaluation_document(evaluation)}
        with self._database.write() as connection:
            connection.execute(update(model_versions).where(model_versions.c.version == version).values(values))
        return self.get(version)

    def fetch_archive(self, version: ModelVersion) -> Path:
        path = self._home.version(version.version)
        if not path.is_file():
            raise NotFoundError(f"The archive of version {version.version} is gone: '{path}' does not exist.")
        return path

    def _version(self, row: Row[Any]) -> ModelVersion:
        return ModelVersion(
            version=row.version,
            sha256=row.sha256,
            archive=str(self._home.version(row.version)),
            size_bytes=row.size_bytes,
            approval=Approval(row.approval),
            created_at=row.created_at,
            registered_by=row.registered_by,
            source_job=row.source_job,
            evaluation=None if row.evaluation is None else Evaluation.from_document(row.evaluation),
            approval_by=row.approval_by,
            approval_comment=row.approval_comment,
            approval_at=row.approval_at,
        )


def _decision(version: int, kind: DecisionKind, by: str, at: datetime, comment: str) -> Insert:
    return insert(decisions).values(version=version, kind=kind.value, decided_by=by, at=at, comment=comment)


def _evaluation_document(evaluation: Evaluation) -> dict[str, Any]:
    """The same shape as the trainer's evaluation.json, so that one reader serves both."""
    measured_at = evaluation.measured_at and evaluation.measured_at.isoformat()
    return {**asdict(evaluation), "dataset": {"name": evaluation.dataset}, "measured_at": measured_at}


def _conforms(adapter: LocalRegistry) -> ModelRegistry:
    return adapter
