"""What every platform knows of its endpoints over time; `backend.ports.upkeep` in executable form."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from backend.domain.lifetimes import NO_LIMIT, Lifetime
from backend.domain.prediction_mix import Tally, tallied
from backend.domain.serving import Stage
from backend.domain.traffic import Span
from backend.errors import NotFoundError
from tests.contract.training_platforms import wait_until
from tests.contract.upkeep_platforms import NOON, Bench, bench

__all__ = ["bench"]

STAGE = Stage.STAGING
MINUTE = timedelta(minutes=1)
SEVEN = [0.0] * 7 + [0.75, 0.25, 0.0]


class TestTraffic:
    def test_before_anything_there_is_nothing(self, bench: Bench) -> None:
        for span in Span:
            assert list(bench.upkeep.traffic.samples(STAGE, span)) == []
        assert bench.upkeep.traffic.last_request(STAGE) is None
        assert bench.upkeep.traffic.source.endswith(".")

    def test_each_minute_is_a_sample_and_one_that_nobody_saw_is_none(self, bench: Bench) -> None:
        for ago, requests, failed, latency in ((9, 30, 0, 2.0), (8, 90, 3, 4.0), (3, 60, 0, 3.0)):
            bench.saw(STAGE, NOON - ago * MINUTE, requests, failed, latency)
        bench.saw(Stage.PROD, NOON - 5 * MINUTE, 999, 9, 9.0)
        found = bench.upkeep.traffic.samples(STAGE, Span.QUARTER)
        assert [(sample.at, sample.requests, sample.failed) for sample in found] == [
            (NOON - 9 * MINUTE, 30, 0),
            (NOON - 8 * MINUTE, 90, 3),
            (NOON - 3 * MINUTE, 60, 0),
        ]
        first = found[0]
        assert (first.seconds, first.per_second) == (60.0, 0.5)
        assert (first.p50_ms, first.p95_ms, first.p99_ms, first.compute_ms) == (2.0, 2.0, 2.0, 2.0)
        assert (first.cpu, first.memory) == (pytest.approx(0.125), pytest.approx(0.3))

    def test_a_longer_span_adds_minutes_up_and_keeps_the_worst_of_their_times(self, bench: Bench) -> None:
        for ago in range(5):
            bench.saw(STAGE, NOON - 60 * MINUTE - ago * MINUTE, 10 + ago, 1, 2.0 + ago)
        (found,) = bench.upkeep.traffic.samples(STAGE, Span.DAY)
        assert (found.requests, found.failed) == (60, 5)
        assert found.at == NOON - 60 * MINUTE
        assert found.p99_ms == 6.0
        assert found.compute_ms == pytest.approx(4.0)
        assert bench.upkeep.traffic.samples(STAGE, Span.HOUR) == []

    def test_the_last_request_is_the_newest_minute_with_one(self, bench: Bench) -> None:
        for ago, requests in ((600, 5), (90, 1), (30, 0)):
            bench.saw(STAGE, NOON - ago * MINUTE, requests, 0, 2.0)
        assert bench.upkeep.traffic.last_request(STAGE) == NOON - 90 * MINUTE
        assert bench.upkeep.traffic.last_request(Stage.PROD) is None


class TestTallies:
    def test_what_several_clients_counted_is_added_up_by_step_and_version(self, bench: Bench) -> None:
        assert list(bench.upkeep.tallies.read(STAGE, Span.HOUR)) == []
        one = tallied([SEVEN, SEVEN], version=3, at=NOON - 2 * MINUTE)
        bench.upkeep.tallies.add(STAGE, one)
        bench.upkeep.tallies.add(STAGE, replace(one, at=one.at + timedelta(seconds=20)))
        bench.elsewhere().add(STAGE, one)
        bench.upkeep.tallies.add(STAGE, replace(one, version=4))
        bench.upkeep.tallies.add(STAGE, Tally(at=NOON - MINUTE, version=0, failed=2))
        bench.upkeep.tallies.add(Stage.PROD, one)

        def read() -> list[tuple[int, int, int]]:
            return [(t.version, t.n, t.failed) for t in bench.upkeep.tallies.read(STAGE, Span.HOUR)]

        wait_until(lambda: read() == [(3, 6, 0), (4, 2, 0), (0, 0, 2)])
        first = bench.upkeep.tallies.read(STAGE, Span.HOUR)[0]
        assert (first.digits[7], first.unsure, first.at) == (6, 6, NOON - 2 * MINUTE)
        assert first.confidence == pytest.approx(4.5)
        assert sum(tally.n for tally in bench.upkeep.tallies.read(STAGE, Span.WEEK)) == 8

    def test_what_is_older_than_the_span_is_left_out(self, bench: Bench) -> None:
        for hours in (2, 30):
            bench.upkeep.tallies.add(STAGE, tallied([SEVEN], version=3, at=NOON - timedelta(hours=hours)))
        for span, expected in ((Span.HOUR, 0), (Span.DAY, 1), (Span.WEEK, 2)):
            assert sum(tally.n for tally in bench.upkeep.tallies.read(STAGE, span)) == expected, span


class TestLogs:
    def test_the_log_is_read_from_its_end_and_in_pieces(self, bench: Bench) -> None:
        source = bench.upkeep.logs.sources(STAGE)[0]
        assert bench.upkeep.logs.read(STAGE, source).text == ""
        bench.wrote(STAGE, [f"line {number}" for number in range(50)])
        end = bench.upkeep.logs.read(STAGE, source, -60, 60)
        assert end.text.endswith("line 49\n") and len(end.text.encode()) <= 60
        parts, offset = [], 0
        while (chunk := bench.upkeep.logs.read(STAGE, source, offset, 300)).text:
            parts.append(chunk.text)
            offset = chunk.next_offset
        whole = "".join(parts).splitlines()
        assert [line.rpartition("line ")[2] for line in whole] == [str(number) for number in range(50)]
        assert offset == chunk.size
        with pytest.raises(NotFoundError, match="No log 'nonsense'"):
            bench.upkeep.logs.read(STAGE, "nonsense")


class TestLifetimes:
    def test_a_limit_is_kept_for_its_stage_until_it_is_lifted(self, bench: Bench) -> None:
        lifetimes = bench.upkeep.lifetimes
        assert lifetimes.read(STAGE) == NO_LIMIT
        limited = Lifetime(until=NOON + timedelta(hours=2, microseconds=5))
        lifetimes.keep(STAGE, limited)
        assert (lifetimes.read(STAGE), lifetimes.read(Stage.PROD)) == (limited, NO_LIMIT)
        down = Lifetime(taken_down_at=NOON)
        lifetimes.keep(STAGE, down)
        assert lifetimes.read(STAGE) == down
        for _ in range(2):
            lifetimes.keep(STAGE, NO_LIMIT)
            assert lifetimes.read(STAGE) == NO_LIMIT
