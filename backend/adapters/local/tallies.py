"""What our clients were answered, counted in the database: a row for each minute and version, for a week."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import delete, insert, select, update

from backend.adapters.local.database import Database
from backend.adapters.local.schema import prediction_tallies as rows
from backend.adapters.local.traffic import utc_now
from backend.domain.prediction_mix import Tally, gathered
from backend.domain.serving import Stage
from backend.domain.traffic import KEPT, Span
from backend.errors import DigitsError
from backend.ports.clock import Clock
from backend.ports.upkeep import Tallies

_MINUTE_S: Final = 60

log = logging.getLogger("digits.tallies")


class LocalTallies:
    """`Tallies` of this machine."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    def add(self, stage: Stage, tally: Tally) -> None:
        try:
            self._add(stage, tally)
        except DigitsError as error:
            log.warning("%d answers of '%s' are not counted: %s", tally.n, stage.value, error.message)

    def _add(self, stage: Stage, tally: Tally) -> None:
        at_s = int(tally.at.timestamp()) // _MINUTE_S * _MINUTE_S
        mine = (rows.c.stage == stage.value) & (rows.c.at_s == at_s) & (rows.c.version == tally.version)
        oldest = int((self._clock() - KEPT).timestamp())
        with self._database.write() as connection:
            found = connection.execute(select(rows).where(mine)).first()
            summed = tally if found is None else _tally(found).plus(tally)
            values = {
                "digits": list(summed.digits),
                "confidence": summed.confidence,
                "unsure": summed.unsure,
                "failed": summed.failed,
            }
            if found is not None:
                connection.execute(update(rows).where(mine).values(values))
                return
            connection.execute(delete(rows).where(rows.c.at_s < oldest))
            connection.execute(insert(rows).values(stage=stage.value, at_s=at_s, version=tally.version, **values))

    def read(self, stage: Stage, span: Span) -> Sequence[Tally]:
        now = self._clock()
        since, until = int((now - span.length).timestamp()), int(now.timestamp())
        query = (
            select(rows)
            .where(rows.c.stage == stage.value, rows.c.at_s > since, rows.c.at_s <= until)
            .order_by(rows.c.at_s, rows.c.version)
        )
        with self._database.read() as connection:
            return gathered([_tally(row) for row in connection.execute(query)], span.step)


def _tally(row: Any) -> Tally:
    return Tally(
        at=datetime.fromtimestamp(row.at_s, UTC),
        version=row.version,
        digits=tuple(row.digits),
        confidence=row.confidence,
        unsure=row.unsure,
        failed=row.failed,
    )


def _conforms(adapter: LocalTallies) -> Tallies:
    return adapter
