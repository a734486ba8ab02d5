"""The evidence of one deployment: all that is known about why it was right, and what it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from backend.domain.audit import AuditEvent
from backend.domain.predictions import DataKind
from backend.domain.promotion import Deployment
from backend.domain.registry import ModelVersion
from backend.domain.statistics import Verdict


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Who approved or rejected the version last before the deployment began, when and why; `verb` is what they did."""

    verb: str
    by: str
    at: datetime
    comment: str


@dataclass(frozen=True, kw_only=True)
class ChangedImage:
    """An image that just one of the two reads right: its place in the data, what it shows, and what each said.

    `pixels` are its 784 bytes (28 x 28, ink bright), none where the images were not kept.
    """

    place: int
    label: int
    before: int
    after: int
    pixels: bytes


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The version against the one it replaced, on one set of images; `fixed` and `broken` are the first few of each."""

    kind: DataKind
    data_name: str
    data_sha256: str
    verdict: Verdict
    fixed: tuple[ChangedImage, ...]
    broken: tuple[ChangedImage, ...]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """`version` and `previous` are the registry's, None where it does not know them (any more).

    `decision` is None where nobody decided before it began. `events` are the audit's of the same correlation id, oldest
    first, and before them the guard's that a restoration answers; `at` is when this was put together.
    """

    deployment: Deployment
    version: ModelVersion | None
    previous: ModelVersion | None
    decision: Decision | None
    comparisons: Sequence[Compared]
    events: Sequence[AuditEvent]
    at: datetime
