"""What was asked of a stage over time, in samples of a minute; and since when nobody has asked it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from backend.domain.serving import EndpointMetrics

SAMPLE_S: Final = 60.0
"""Seconds from one sample to the next: the window of the server's own quantiles."""
KEPT: Final = timedelta(days=7)


class Span(Enum):
    """How far a chart looks back; the value is its word in addresses and on the command line."""

    QUARTER = "15m"
    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"

    @property
    def length(self) -> timedelta:
        return _SPANS[self][0]

    @property
    def step(self) -> timedelta:
        """What one point of the chart stands for; a multiple of a minute."""
        return _SPANS[self][1]

    @property
    def words(self) -> str:
        return _SPANS[self][2]


_SPANS: Final = {
    Span.QUARTER: (timedelta(minutes=15), timedelta(minutes=1), "15 min"),
    Span.HOUR: (timedelta(hours=1), timedelta(minutes=1), "1 h"),
    Span.DAY: (timedelta(hours=24), timedelta(minutes=5), "24 h"),
    Span.WEEK: (KEPT, timedelta(minutes=30), "7 days"),
}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The `seconds` before `at`, as the platform saw them; `version` served, 0 where the platform does not tell.

    `requests` are those that clients got answers to, without the supervisor's own; `failed` those that the server
    failed. The quantiles are of the server, without the network, None when nothing was asked. `queue_ms` and
    `compute_ms` are means per request, None where that is so or the platform does not tell. `cpu` and `memory` are
    shares (0 to 1) of the machine. A sample that stands for several has sums of counts, means of means, and the worst
    of their p95 and p99.
    """

    at: datetime
    seconds: float
    version: int
    requests: int
    failed: int
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    queue_ms: float | None = None
    compute_ms: float | None = None
    cpu: float | None = None
    memory: float | None = None

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def sampled(before: EndpointMetrics, after: EndpointMetrics, *, own: int) -> Sample | None:
    """What happened between two looks, of which `own` requests were the supervisor's.

    None when they cannot be compared: across a switch or a restart of the server it counts from zero again.
    """
    seconds = (after.at - before.at).total_seconds()
    asked, failed = after.requests - before.requests, after.failed - before.failed
    if seconds <= 0 or asked < 0 or failed < 0 or before.version != after.version:
        return None
    used, there = after.memory_used, after.memory_total
    return Sample(
        at=after.at,
        seconds=seconds,
        version=after.version,
        requests=max(0, asked - own),
        failed=failed,
        p50_ms=after.p50_ms,
        p95_ms=after.p95_ms,
        p99_ms=after.p99_ms,
        queue_ms=_mean_between(before.queue_ms, before.requests, after.queue_ms, after.requests),
        compute_ms=_mean_between(before.compute_ms, before.requests, after.compute_ms, after.requests),
        cpu=after.cpu,
        memory=used / there if used is not None and there else None,
    )


@dataclass(frozen=True, kw_only=True)
class Idle:
    """Nobody has asked since `since`; `hourly` is what the stage costs an hour in US dollars (None: not known)."""

    since: datetime
    hourly: float | None

    def cost(self, now: datetime) -> float | None:
        """What it has cost since, in US dollars; None where the price is not known."""
        return None if self.hourly is None else self.hourly * self.length(now) / timedelta(hours=1)

    def length(self, now: datetime) -> timedelta:
        return max(timedelta(0), now - self.since)


def idle_since(last_request: datetime | None, deployed: datetime | None) -> datetime | None:
    """When the time without a client began: with its last request, or with the deployment if none came after it."""
    known = [moment for moment in (last_request, deployed) if moment is not None]
    return max(known) if known else None


def _mean_between(before: float | None, then: int, after: float | None, now: int) -> float | None:
    """The mean over the requests between two looks, from the means over all requests up to each."""
    if after is None or now <= then:
        return None
    return max(0.0, (after * now - (before or 0.0) * then) / (now - then))
