"""What our clients were answered, counted in the bucket: `tallies/<stage>/<day>/<hour>-<writer>.json`.

Each process writes objects of its own, at most one a stage and hour, so that nobody waits for anybody and no count is
lost to another's. A reader adds them up; those of hours that are over are read once.
"""

from __future__ import annotations

import atexit
import logging
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from backend.adapters.sagemaker.kept import Kept
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.records import to_document
from backend.domain.prediction_mix import Tally, gathered
from backend.domain.serving import Stage
from backend.domain.traffic import KEPT, Span
from backend.errors import DigitsError
from backend.ports.clock import Clock
from backend.ports.upkeep import Tallies

_FOLDER: Final = "tallies/"
_FLUSH_S: Final = 15.0
_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)
_SETTLED: Final = timedelta(minutes=2)
"""How long after an hour its last counts may still be on their way."""

log = logging.getLogger("digits.tallies")


@dataclass(frozen=True, kw_only=True)
class Written:
    """One object: what one process counted within the hour that began at `hour`."""

    hour: datetime
    tallies: tuple[Tally, ...]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class S3Tallies:
    """`Tallies` in the bucket. Counts are written within `flush_s` seconds, and when the process ends."""

    def __init__(
        self,
        bucket: Bucket,
        *,
        clock: Clock = _utc_now,
        flush_s: float = _FLUSH_S,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._bucket = bucket
        self._clock = clock
        self._flush_s = flush_s
        self._pause = pause
        self._writer = secrets.token_hex(4)
        self._written = Kept(bucket, Written, lambda one: clock() > one.hour + _HOUR + _SETTLED)
        self._counts: dict[tuple[Stage, datetime], list[Tally]] = {}
        self._unsaved: set[tuple[Stage, datetime]] = set()
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._flushing = False
        self._flushed_at_exit = False
        self._swept: set[Stage] = set()

    def add(self, stage: Stage, tally: Tally) -> None:
        place = (stage, tally.at.astimezone(UTC).replace(minute=0, second=0, microsecond=0))
        with self._lock:
            self._counts[place] = list(gathered([*self._counts.get(place, ()), tally], _MINUTE))
            self._unsaved.add(place)
            if self._flushing:
                return
            self._flushing = True
        if not self._flushed_at_exit:
            self._flushed_at_exit = True
            _flush_at_exit(self)
        threading.Thread(target=self._flush_until_all_is_written, name="tallies", daemon=True).start()

    def read(self, stage: Stage, span: Span) -> Sequence[Tally]:
        now = self._clock()
        since = now - span.length
        self.flush()
        keys = [key for key in self._bucket.keys(f"{_FOLDER}{stage.value}/") if _hour_of(key) > since - _HOUR]
        found = [tally for one in self._written.read_all(keys) for tally in one.tallies]
        return gathered([tally for tally in found if since < tally.at <= now], span.step)

    def flush(self) -> None:
        """Write what is not written yet; trouble is logged, and the next flush tries again."""
        with self._writing:
            with self._lock:
                unsaved, self._unsaved = self._unsaved, set()
                counts = {place: tuple(self._counts[place]) for place in unsaved}
            try:
                for stage, hour in sorted(counts, key=lambda place: place[1]):
                    self._bucket.put(
                        self._key(stage, hour), to_document(Written(hour=hour, tallies=counts[stage, hour]))
                    )
                    self._sweep(stage)
            except DigitsError as error:
                log.warning("answers are not counted yet: %s", error.message)
                with self._lock:
                    self._unsaved |= unsaved
            self._forget_past_hours()

    def _flush_until_all_is_written(self) -> None:
        while True:
            self._pause(self._flush_s)
            self.flush()
            with self._lock:
                if not self._unsaved:
                    self._flushing = False
                    return

    def _forget_past_hours(self) -> None:
        with self._lock:
            past = self._clock() - _HOUR - _SETTLED
            for place in [place for place in self._counts if place[1] < past and place not in self._unsaved]:
                del self._counts[place]

    def _sweep(self, stage: Stage) -> None:
        """Delete what is older than `KEPT`, once in the life of a process that counts."""
        if stage in self._swept:
            return
        self._swept.add(stage)
        oldest = self._clock() - KEPT - _HOUR
        for key in list(self._bucket.keys(f"{_FOLDER}{stage.value}/")):
            if _hour_of(key) >= oldest:
                return  # keys are in order of time
            self._bucket.delete(key)

    def _key(self, stage: Stage, hour: datetime) -> str:
        return f"{_FOLDER}{stage.value}/{hour:%Y-%m-%d}/{hour:%H}-{self._writer}.json"


def _hour_of(key: str) -> datetime:
    _, _, day, name = key.split("/")
    return datetime.strptime(f"{day} {name.partition('-')[0]}", "%Y-%m-%d %H").replace(tzinfo=UTC)


def _flush_at_exit(tallies: S3Tallies) -> None:
    """Without keeping it alive until then."""
    known = weakref.ref(tallies)

    def flush() -> None:
        if (alive := known()) is not None:
            alive.flush()

    atexit.register(flush)


def _conforms(adapter: S3Tallies) -> Tallies:
    return adapter
