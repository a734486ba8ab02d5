"""Where model versions are kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from backend.domain.evaluation import Evaluation
from backend.domain.registry import Approval, Decision, ModelVersion


class ModelRegistry(Protocol):
    def register(
        self, archive: Path, *, sha256: str, source_job: str, evaluation: Evaluation | None, registered_by: str
    ) -> ModelVersion:
        """Keep a copy of the archive for ever under the next version number; approval is pending.

        Idempotent: the same bytes from the same job return the version they already have. Numbers are never used
        again. Raises `ArchiveRejectedError` when the bytes' digest is not `sha256`.
        """
        ...

    def get(self, version: int) -> ModelVersion:
        """Raises `NotFoundError`."""
        ...

    def list_versions(self) -> Sequence[ModelVersion]:
        """Every version, newest first; empty when there are none."""
        ...

    def set_approval(self, version: int, approval: Approval, *, by: str, comment: str) -> ModelVersion:
        """Record the decision with who, when and why; the latest decision counts, the earlier ones stay in `decisions`.

        Raises `NotFoundError`.
        """
        ...

    def add_comment(self, version: int, *, by: str, comment: str) -> None:
        """Keep a comment among the decisions; the approval stays as it is. Raises `NotFoundError`."""
        ...

    def decisions(self, version: int) -> Sequence[Decision]:
        """Every approval, rejection and comment, newest first; empty when there are none. Raises `NotFoundError`."""
        ...

    def record_evaluation(self, version: int, evaluation: Evaluation) -> ModelVersion:
        """Keep what was measured in place of what was known before. Raises `NotFoundError`."""
        ...

    def fetch_archive(self, version: ModelVersion) -> Path:
        """A local path of the version's archive; read only.

        The caller checks the digest before use: a store can rot. Raises `NotFoundError` when the file is gone.
        """
        ...
