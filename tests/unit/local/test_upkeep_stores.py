"""The stores of traffic and answers on this machine are bounded, and trouble of theirs harms no client."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from backend.adapters.local.database import Database
from backend.adapters.local.home import Home
from backend.adapters.local.schema import prediction_tallies, traffic_samples
from backend.adapters.local.tallies import LocalTallies
from backend.adapters.local.traffic import LocalTraffic
from backend.domain.prediction_mix import tallied
from backend.domain.serving import Stage
from backend.domain.traffic import KEPT, SAMPLE_S, Sample, Span

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SEVEN = [0.0] * 7 + [1.0, 0.0, 0.0]


class Time:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(Home(tmp_path).database)


def sample(at: datetime) -> Sample:
    return Sample(at=at, seconds=60.0, version=1, requests=1, failed=0)


def count(database: Database, table: object) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]


def test_samples_and_tallies_of_a_month_are_those_of_its_last_week(database: Database, time: Time) -> None:
    """One each half hour stands for one a minute: what is dropped goes by time alone."""
    traffic, tallies = LocalTraffic(database, time), LocalTallies(database, time)
    size_after_a_week = 0
    for half_hour in range(30 * 48):
        time.now = NOON + timedelta(minutes=30 * half_hour)
        traffic.keep(Stage.STAGING, sample(time.now))
        tallies.add(Stage.STAGING, tallied([SEVEN], version=1, at=time.now))
        if half_hour == 8 * 48:
            size_after_a_week = database.path.stat().st_size
    week = KEPT // timedelta(minutes=30) + 1
    assert count(database, traffic_samples) <= week
    assert count(database, prediction_tallies) <= week
    assert database.path.stat().st_size <= 1.2 * size_after_a_week
    assert traffic.samples(Stage.STAGING, Span.WEEK)[0].at >= time.now - KEPT


def test_a_whole_week_of_minutes_is_few_rows_and_quickly_read(database: Database, time: Time) -> None:
    """What the bound comes to: a sample a minute for seven days, of both stages."""
    week = int(KEPT.total_seconds() / SAMPLE_S)
    values = [
        {
            "stage": stage.value,
            "at_s": int(NOON.timestamp()) - 60 * minute,
            "seconds": 60.0,
            "version": 1,
            "requests": 2,
            "failed": 0,
            "p99_ms": 3.0,
        }
        for stage in Stage
        for minute in range(week)
    ]
    with database.write() as connection:
        connection.execute(traffic_samples.insert(), values)
    found = LocalTraffic(database, time).samples(Stage.PROD, Span.WEEK)
    assert sum(one.requests for one in found) == 2 * week
    assert len(found) <= 337
    assert database.path.stat().st_size < 3_000_000


def test_a_sample_taken_twice_in_a_second_is_kept_once(database: Database, time: Time) -> None:
    traffic = LocalTraffic(database, time)
    for _ in range(2):
        traffic.keep(Stage.STAGING, sample(NOON))
    assert count(database, traffic_samples) == 1
    traffic.keep(Stage.PROD, sample(NOON))
    assert count(database, traffic_samples) == 2, "the other stage's sample of that second is another"


def test_an_answer_that_cannot_be_counted_is_an_answer_all_the_same(
    database: Database, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("DROP TABLE prediction_tallies")
    with caplog.at_level(logging.WARNING):
        LocalTallies(database, time).add(Stage.PROD, tallied([SEVEN], version=1, at=NOON))
    assert "1 answers of 'prod' are not counted" in caplog.text
