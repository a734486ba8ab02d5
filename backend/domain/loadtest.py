"""Load tests: what is asked of an endpoint, and what is made of the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any, Final

from backend.domain.audit import AuditEvent
from backend.errors import InvalidInputError

MAX_CONCURRENCY: Final = 64
MAX_SECONDS: Final = 30
LOAD_TEST: Final = "loadtest"
"""The action of the audit event that keeps a test's result."""


@dataclass(frozen=True, kw_only=True)
class LoadPlan:
    """A closed loop: each of `concurrency` connections sends its next request when the last one was answered.

    Raises `InvalidInputError` outside of 1 to 64 connections and 1 to 30 seconds.
    """

    concurrency: int
    seconds: int

    def __post_init__(self) -> None:
        _require("concurrency", self.concurrency, MAX_CONCURRENCY)
        _require("seconds", self.seconds, MAX_SECONDS)


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How hard a platform's endpoints can be asked from here, and what must be known about the numbers.

    With more than `connections` a closed loop measures the asking, not the answers. `per_second` is the rate of a
    steady stream: enough to meet a stall, and not felt by the server.
    """

    connections: int = MAX_CONCURRENCY
    per_second: float = 50.0
    remark: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """One request: when it was due, sent and done (seconds of one monotonic clock), and what came of it.

    `version` answered, 0 when none did or the server does not say which; `failure` is the kind of failure in a word or
    two, empty for an answer.
    """

    due: float
    sent: float
    done: float
    version: int = 0
    failure: str = ""

    @property
    def latency_ms(self) -> float:
        return (self.done - self.due) * 1000


@dataclass(frozen=True, kw_only=True)
class LoadResult:
    """What a load test found.

    `requests` counts all that were sent, `failed` those that got no answer, `failures` them by kind. The rate and the
    quantiles are of the answered ones; the quantiles are None when there are none.
    """

    requests: int
    failed: int
    failures: Mapping[str, int]
    versions: tuple[int, ...]
    seconds: float
    per_second: float
    p50_ms: float | None
    p99_ms: float | None


def summarise(shots: Sequence[Shot]) -> LoadResult:
    """The result of the shots; they may be in any order, and none at all."""
    answered = [shot for shot in shots if not shot.failure]
    latencies = sorted(shot.latency_ms for shot in answered)
    seconds = max(shot.done for shot in shots) - min(shot.due for shot in shots) if shots else 0.0
    return LoadResult(
        requests=len(shots),
        failed=len(shots) - len(answered),
        failures=Counter(shot.failure for shot in shots if shot.failure),
        versions=tuple(sorted({shot.version for shot in answered} - {0})),
        seconds=seconds,
        per_second=len(answered) / seconds if seconds > 0 else 0.0,
        p50_ms=quantile(latencies, 0.5),
        p99_ms=quantile(latencies, 0.99),
    )


@dataclass(frozen=True, kw_only=True)
class KeptTest:
    """A load test of the past: when it ended, who ran it, what was asked and what was found."""

    at: datetime
    by: str
    plan: LoadPlan
    requests: int
    failed: int
    versions: tuple[int, ...]
    per_second: float
    p50_ms: float | None
    p99_ms: float | None


def summary(plan: LoadPlan, result: LoadResult) -> dict[str, Any]:
    """What the audit keeps of a test."""
    return {
        "concurrency": plan.concurrency,
        "seconds": plan.seconds,
        "requests": result.requests,
        "failed": result.failed,
        "versions": list(result.versions),
        "per_second": round(result.per_second, 1),
        "p50_ms": None if result.p50_ms is None else round(result.p50_ms, 3),
        "p99_ms": None if result.p99_ms is None else round(result.p99_ms, 3),
    }


def kept(events: Sequence[AuditEvent]) -> Sequence[KeptTest]:
    """The tests among the events that ended with a result, in the events' order.

    Those of before results were kept, which have no rate, are passed over.
    """
    return [
        KeptTest(
            at=event.at,
            by=event.actor,
            plan=LoadPlan(concurrency=event.after["concurrency"], seconds=event.after["seconds"]),
            requests=event.after["requests"],
            failed=event.after["failed"],
            versions=tuple(event.after["versions"]),
            per_second=event.after["per_second"],
            p50_ms=event.after["p50_ms"],
            p99_ms=event.after["p99_ms"],
        )
        for event in events
        if event.action == LOAD_TEST and event.outcome == "done" and "per_second" in event.after
    ]


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The least of the ascending values that `share` (0 to 1) of them do not exceed; None when there are none."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None


def _require(name: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise InvalidInputError(f"The load test's {name} is {value}, expected 1 to {most}.")
