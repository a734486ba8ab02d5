"""The traffic of the stages in the database: a row a minute, for a week."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, insert, select

from backend.adapters.local.database import Database
from backend.adapters.local.schema import traffic_samples as rows
from backend.domain.serving import Stage
from backend.domain.traffic import KEPT, Sample, Span
from backend.ports.clock import Clock
from backend.ports.upkeep import Traffic


def utc_now() -> datetime:
    return datetime.now(UTC)


class LocalTraffic:
    """`Traffic` of this machine; the stage's runner keeps the samples."""

    source = (
        "Counted by Triton, sampled each minute by the stage's runner and kept for 7 days. Requests are those of "
        "clients: the runner's own checks are taken off, except in the times, where they weigh when little else is "
        "asked. CPU and memory are of the whole machine."
    )

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    def keep(self, stage: Stage, sample: Sample) -> None:
        """Add the sample, in place of one of the same second, and forget what is older than `KEPT`.

        At most one a minute is kept by a runner, so a stage never has more than some 10,080. Raises `StoreError`.
        """
        at_s = int(sample.at.timestamp())
        mine = rows.c.stage == stage.value
        oldest = int((self._clock() - KEPT).timestamp())
        values = {
            "seconds": sample.seconds,
            "version": sample.version,
            "requests": sample.requests,
            "failed": sample.failed,
            "p50_ms": sample.p50_ms,
            "p95_ms": sample.p95_ms,
            "p99_ms": sample.p99_ms,
            "queue_ms": sample.queue_ms,
            "compute_ms": sample.compute_ms,
            "cpu": sample.cpu,
            "memory": sample.memory,
        }
        with self._database.write() as connection:
            connection.execute(delete(rows).where(mine, (rows.c.at_s < oldest) | (rows.c.at_s == at_s)))
            connection.execute(insert(rows).values(stage=stage.value, at_s=at_s, **values))

    def samples(self, stage: Stage, span: Span) -> Sequence[Sample]:
        step = int(span.step.total_seconds())
        now = self._clock()
        # Steps end at whole multiples of their length, so that a point stays where it is as time goes on.
        place = (rows.c.at_s + (step - 1)) // step
        columns = [
            func.max(rows.c.at_s).label("at_s"),
            func.sum(rows.c.seconds).label("seconds"),
            func.max(rows.c.version).label("version"),
            func.sum(rows.c.requests).label("requests"),
            func.sum(rows.c.failed).label("failed"),
            func.avg(rows.c.p50_ms).label("p50_ms"),
            func.max(rows.c.p95_ms).label("p95_ms"),
            func.max(rows.c.p99_ms).label("p99_ms"),
            func.avg(rows.c.queue_ms).label("queue_ms"),
            func.avg(rows.c.compute_ms).label("compute_ms"),
            func.avg(rows.c.cpu).label("cpu"),
            func.avg(rows.c.memory).label("memory"),
        ]
        since, until = int((now - span.length).timestamp()), int(now.timestamp())
        query = (
            select(*columns)
            .where(rows.c.stage == stage.value, rows.c.at_s > since, rows.c.at_s <= until)
            .group_by(place)
            .order_by(place)
        )
        with self._database.read() as connection:
            return [_sample(row) for row in connection.execute(query)]

    def last_request(self, stage: Stage) -> datetime | None:
        asked = (rows.c.stage == stage.value) & (rows.c.requests > 0)
        with self._database.read() as connection:
            at_s = connection.execute(select(func.max(rows.c.at_s)).where(asked)).scalar()
        return None if at_s is None else datetime.fromtimestamp(at_s, UTC)


def _sample(row: Any) -> Sample:
    return Sample(
        at=datetime.fromtimestamp(row.at_s, UTC),
        seconds=row.seconds,
        version=row.version,
        requests=row.requests,
        failed=row.failed,
        p50_ms=row.p50_ms,
        p95_ms=row.p95_ms,
        p99_ms=row.p99_ms,
        queue_ms=row.queue_ms,
        compute_ms=row.compute_ms,
        cpu=row.cpu,
        memory=row.memory,
    )


def _conforms(adapter: LocalTraffic) -> Traffic:
    return adapter
