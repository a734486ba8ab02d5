"""Model versions: version N of the model package group, immutable but for its approval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from backend.domain.evaluation import Evaluation

MODEL_GROUP: Final = "digit-classification"


class Approval(Enum):
    """SageMaker's Model Registry words."""

    PENDING = "PendingManualApproval"
    APPROVED = "Approved"
    REJECTED = "Rejected"

    @property
    def in_words(self) -> str:
        """How a version stands, for sentences: "it is waiting for approval"."""
        return "waiting for approval" if self is Approval.PENDING else self.value.lower()


class DecisionKind(Enum):
    APPROVED = "Approved"
    REJECTED = "Rejected"
    COMMENT = "Comment"


LONGEST_COMMENT: Final = 1_000
"""Characters."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What somebody said about a version, and when; kept for ever, also when a later decision counts."""

    version: int
    kind: DecisionKind
    by: str
    at: datetime
    comment: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """One registered archive. Numbers count from 1 and are never used again.

    `sha256` is the digest of the archive's bytes. `source_job` is empty for an archive made elsewhere,
    `evaluation` None until there is one.
    """

    version: int
    sha256: str
    archive: str
    size_bytes: int
    approval: Approval
    created_at: datetime
    registered_by: str
    source_job: str = ""
    evaluation: Evaluation | None = None
    approval_by: str = ""
    approval_comment: str = ""
    approval_at: datetime | None = None
