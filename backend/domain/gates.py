"""Gates: what must be known of a version before a stage may serve it, and what was found out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from backend.domain.serving import ServedModel
from backend.errors import InvalidInputError

SHORTEST_REASON: Final = 10
LONGEST_REASON: Final = 500
"""Characters of an override's reason, without the space around it."""


class GateName(Enum):
    """Every gate there is. `digest`: the archive's bytes are the registered ones."""

    DIGEST = "digest"
    APPROVED = "approved"
    SAME_DATA = "same_data"
    NOT_WORSE = "not_worse"
    RECALL_FLOOR = "recall_floor"
    FREEHAND = "freehand"
    HARD_EXAMPLES = "hard_examples"
    STAGING_FIRST = "staging_first"
    LATENCY = "latency"
    PROBE = "probe"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A number that a gate takes, and what it may be; both bounds are allowed."""

    low: float
    high: float


_PAIRED: Final = {"alpha": Limit(low=0.0001, high=0.5), "margin": Limit(low=0.0001, high=0.1)}
LIMITS: Final[Mapping[GateName, Mapping[str, Limit]]] = {
    GateName.DIGEST: {},
    GateName.APPROVED: {},
    GateName.SAME_DATA: {},
    GateName.NOT_WORSE: _PAIRED,
    GateName.RECALL_FLOOR: {"at_least": Limit(low=0.0, high=1.0)},
    GateName.FREEHAND: _PAIRED,
    GateName.HARD_EXAMPLES: {"tolerance": Limit(low=0.0, high=1.0)},
    GateName.STAGING_FIRST: {},
    GateName.LATENCY: {"p99_ms": Limit(low=0.1, high=10_000.0)},
    GateName.PROBE: {"at_least": Limit(low=0.0, high=1.0)},
}
"""What each gate must be told. `alpha` is the level of a test, `margin` a difference of accuracy that does not matter,
`tolerance` the accuracy that may be lost; all as shares of 1."""

ASK_STAGING: Final = frozenset({GateName.STAGING_FIRST, GateName.LATENCY, GateName.PROBE})
"""Gates that a version passes by serving on staging, so that staging itself cannot have them."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One gate of a stage as it is declared: exactly the limits of `LIMITS`, each within its bounds.

    `examples` names the set of labelled drawings that `hard_examples` asks about; empty for those there are now.
    """

    name: GateName
    limits: Mapping[str, float] = field(default_factory=dict)
    examples: str = ""


class GateStatus(Enum):
    """`NotApplicable`: there is nothing to compare with. `MissingEvidence`: nobody has looked, which is no pass."""

    PASSED = "Passed"
    FAILED = "Failed"
    NOT_APPLICABLE = "NotApplicable"
    MISSING_EVIDENCE = "MissingEvidence"

    @property
    def blocks(self) -> bool:
        return self in (GateStatus.FAILED, GateStatus.MISSING_EVIDENCE)


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """What one gate found. `observed` and `threshold` are in `unit` (empty for shares of 1 and for words).

    `name` is a `GateName`'s word, kept as text: a record stays readable when a later release knows the gate no more.
    `hint` is what to do about it, empty for a gate that does not block. One that is not `overridable` stands whatever
    an approver says.
    """

    name: str
    status: GateStatus
    reason: str
    observed: float | str | None = None
    threshold: float | str | None = None
    unit: str = ""
    hint: str = ""
    overridable: bool = True


@dataclass(frozen=True, kw_only=True)
class StagingLook:
    """What an endpoint said when the known digits were asked of it one by one: staging's, unless it was asked of prod.

    Of `digits`, `asked` were sent before it was too slow or failed too often; of these `failed` got no answer, or one
    of another version than `model`, and `right` were read right. `p50_ms` and `p99_ms` are over the answers, from
    sending to having read; None when there were none. `endpoint` is named by a look that was kept: the endpoint may be
    gone since.
    """

    model: ServedModel
    at: datetime
    digits: int
    asked: int
    failed: int
    right: int
    p50_ms: float | None
    p99_ms: float | None
    endpoint: str = ""


@dataclass(frozen=True, kw_only=True)
class Override:
    """An approver's word against gates that did not pass: who, why, and which gates (by name).

    Raises `InvalidInputError` for a reason of fewer than ten characters: 'ok' explains nothing to who reads it later.
    """

    by: str
    reason: str
    gates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_reason(self.reason)


def require_reason(reason: str) -> str:
    """The reason without the space around it; raises `InvalidInputError` when it is too short or too long."""
    told = reason.strip()
    if not SHORTEST_REASON <= len(told) <= LONGEST_REASON:
        raise InvalidInputError(
            f"The reason for overriding a gate has {len(told)} characters; "
            f"expected {SHORTEST_REASON} to {LONGEST_REASON}.",
            hint="Say why the version should serve all the same: it is kept with the deployment.",
        )
    return told


def blocking(results: Sequence[GateResult]) -> tuple[GateResult, ...]:
    """The gates that stand in the way, in their order; empty when the version may go ahead."""
    return tuple(result for result in results if result.status.blocks)
