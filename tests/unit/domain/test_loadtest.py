from __future__ import annotations

from datetime import UTC, datetime

import pytest

from backend.domain.audit import AuditEvent
from backend.domain.loadtest import LOAD_TEST, KeptTest, LoadPlan, LoadResult, Shot, kept, quantile, summarise, summary
from backend.errors import InvalidInputError


def shot(milliseconds: float, *, due: float = 100.0, version: int = 1, failure: str = "") -> Shot:
    done = due + milliseconds / 1000
    return Shot(due=due, sent=due, done=done, version=0 if failure else version, failure=failure)


@pytest.mark.parametrize(("concurrency", "seconds"), [(0, 1), (65, 1), (1, 0), (1, 31)])
def test_a_plan_out_of_bounds_is_refused(concurrency: int, seconds: int) -> None:
    with pytest.raises(InvalidInputError, match=r"expected 1 to (64|30)"):
        LoadPlan(concurrency=concurrency, seconds=seconds)


def test_failures_are_counted_by_kind_and_timed_nowhere() -> None:
    answered = [shot(n, version=1 + n % 2) for n in range(1, 101)]
    failed = [shot(2000, failure="timeout"), shot(2000, failure="timeout"), shot(1, failure="status 500")]
    result = summarise([*failed, *answered])
    assert (result.requests, result.failed) == (103, 3)
    assert result.failures == {"timeout": 2, "status 500": 1}
    assert result.versions == (1, 2)
    assert result.seconds == pytest.approx(2.0)
    assert result.per_second == pytest.approx(50.0)
    assert result.p50_ms == pytest.approx(50.0)
    assert result.p99_ms == pytest.approx(99.0)


def test_waiting_for_a_connection_is_part_of_the_latency() -> None:
    assert Shot(due=1.0, sent=1.5, done=1.6).latency_ms == pytest.approx(600)


def test_without_answers_there_are_no_quantiles() -> None:
    for shots in ([], [shot(3, failure="connection")]):
        result = summarise(shots)
        assert (result.failed, result.per_second, result.p50_ms, result.p99_ms) == (len(shots), 0.0, None, None)


def test_a_quantile_is_one_of_the_values() -> None:
    assert [quantile([1.0, 2.0, 3.0], share) for share in (0.0, 0.34, 0.5, 0.99, 1.0)] == [1.0, 2.0, 2.0, 3.0, 3.0]


def test_a_result_is_read_back_from_its_audit_event_and_what_has_none_is_passed_over() -> None:
    plan = LoadPlan(concurrency=8, seconds=3)
    result = LoadResult(
        requests=100,
        failed=1,
        failures={"timeout": 1},
        versions=(2,),
        seconds=3.0,
        per_second=33.04,
        p50_ms=1.23456,
        p99_ms=None,
    )
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def event(after: dict[str, object], outcome: str = "done", action: str = LOAD_TEST) -> AuditEvent:
        return AuditEvent(
            at=noon, actor="ada", action=action, subject="stage prod", outcome=outcome, before={}, after=after
        )

    of_before_results_were_kept = event({"concurrency": 8, "seconds": 3, "requests": 5, "failed": 0})
    found = kept(
        [
            event(summary(plan, result)),
            of_before_results_were_kept,
            event({"error": "It is down."}, outcome="failed"),
            event(summary(plan, result), action="promote"),
        ]
    )
    assert list(found) == [
        KeptTest(
            at=noon,
            by="ada",
            plan=plan,
            requests=100,
            failed=1,
            versions=(2,),
            per_second=33.0,
            p50_ms=1.235,
            p99_ms=None,
        )
    ]
