"""Samples between two looks, and since when a stage is idle."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backend.domain.serving import EndpointMetrics
from backend.domain.traffic import Idle, Span, idle_since, sampled

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LOOK = EndpointMetrics(
    at=NOON,
    version=4,
    requests=100,
    failed=2,
    mean_batch=1.0,
    p50_ms=1.0,
    p95_ms=2.0,
    p99_ms=3.0,
    queue_ms=0.5,
    compute_ms=1.0,
    cpu=0.25,
    memory_used=2**31,
    memory_total=2**33,
)


def later(**given: object) -> EndpointMetrics:
    return replace(LOOK, at=NOON + timedelta(seconds=60), **given)  # type: ignore[arg-type]


def test_a_sample_is_what_happened_between_two_looks_without_the_supervisors_own() -> None:
    sample = sampled(LOOK, later(requests=280, failed=5, queue_ms=0.8, compute_ms=1.9), own=60)
    assert sample is not None
    assert (sample.requests, sample.failed, sample.seconds, sample.per_second) == (120, 3, 60.0, 2.0)
    # 100 requests waited 50 ms together, 280 waited 224 ms: the 180 between waited 174 ms.
    assert sample.queue_ms == pytest.approx(174 / 180)
    assert sample.compute_ms == pytest.approx((1.9 * 280 - 100) / 180)
    assert (sample.p99_ms, sample.cpu, sample.memory) == (3.0, 0.25, 0.25)


def test_a_minute_with_the_supervisors_own_requests_alone_is_one_without_clients() -> None:
    sample = sampled(LOOK, later(requests=158), own=60)  # two of its requests are not counted yet
    assert sample is not None and sample.requests == 0
    quiet = sampled(LOOK, later(), own=0)
    assert quiet is not None and (quiet.queue_ms, quiet.compute_ms) == (None, None)


@pytest.mark.parametrize("given", [{"version": 5, "requests": 300}, {"requests": 3}, {"failed": 0}])
def test_across_a_switch_or_a_restart_there_is_no_sample(given: dict[str, int]) -> None:
    assert sampled(LOOK, later(**given), own=0) is None
    assert sampled(LOOK, LOOK, own=0) is None


def test_idle_counts_from_the_last_request_or_from_a_deployment_after_it() -> None:
    asked, deployed = NOON, NOON + timedelta(hours=1)
    assert idle_since(asked, deployed) == deployed
    assert idle_since(deployed, asked) == deployed
    assert idle_since(asked, None) == asked
    assert idle_since(None, None) is None


def test_what_idling_cost_is_its_time_by_its_price() -> None:
    now = NOON + timedelta(minutes=90)
    assert Idle(since=NOON, hourly=0.2).cost(now) == pytest.approx(0.3)
    assert Idle(since=NOON, hourly=None).cost(now) is None
    assert Idle(since=now, hourly=0.2).cost(NOON) == 0  # a clock that was put back costs nothing


def test_every_span_is_whole_steps_of_whole_minutes_and_few_enough_to_draw() -> None:
    for span in Span:
        assert span.length % span.step == timedelta(0)
        assert span.step % timedelta(minutes=1) == timedelta(0)
        assert 15 <= span.length / span.step <= 400
