"""The audit log as S3 objects, one per event, so that dashboards and CI write into one.

`audit/<time, counted down>-<random>.json`: S3 lists keys in ascending order, so that the newest event comes first and a
list of the last hundred costs one call and as many reads. Nothing here deletes or replaces one, and the policies under
docs/iam let nobody do so.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from backend.adapters.sagemaker.errors import LostRaceError
from backend.adapters.sagemaker.kept import Kept
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.records import to_document
from backend.domain.audit import AuditEvent, AuditFilter, AuditWords
from backend.ports.audit import EVERYTHING, AuditLog

_FOLDER: Final = "audit/"
_LAST_US: Final = 9_999_999_999_999_999
"""Microseconds since 1970, in the year 2286; sixteen digits."""
_AT_ONCE: Final = 100


class S3AuditLog:
    """`AuditLog` in the bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._events = Kept(bucket, AuditEvent)

    def append(self, event: AuditEvent) -> None:
        key = f"{_FOLDER}{counted_down(event.at)}-{secrets.token_hex(6)}.json"
        with suppress(LostRaceError):  # nobody else has this name: our own first attempt arrived after all
            self._bucket.create(key, to_document(event))

    def list_events(
        self, wanted: AuditFilter = EVERYTHING, *, limit: int = 1000, offset: int = 0
    ) -> Sequence[AuditEvent]:
        if _only_time(wanted):  # then a page far back costs its keys, and only its own events are read
            return self._events.read_all(islice(self._keys(wanted), offset, offset + limit))
        return list(islice(self._fitting(wanted), offset, offset + limit))

    def count(self, wanted: AuditFilter = EVERYTHING) -> int:
        return sum(1 for _ in (self._keys(wanted) if _only_time(wanted) else self._fitting(wanted)))

    def words(self) -> AuditWords:
        events = list(self._fitting(EVERYTHING))
        return AuditWords(
            actors=tuple(sorted({event.actor for event in events})),
            actions=tuple(sorted({event.action for event in events})),
            outcomes=tuple(sorted({event.outcome for event in events})),
        )

    def _fitting(self, wanted: AuditFilter) -> Iterator[AuditEvent]:
        """Newest first, a hundred at a time: whoever asks for few waits for few."""
        keys = self._keys(wanted)
        while batch := list(islice(keys, _AT_ONCE)):
            yield from (event for event in self._events.read_all(batch) if _fits(event, wanted))

    def _keys(self, wanted: AuditFilter) -> Iterator[str]:
        """Those between the two times, newest first; a key tells its time without being read."""
        first = "" if wanted.until is None else f"{_FOLDER}{counted_down(wanted.until)}~"
        last = None if wanted.since is None else f"{_FOLDER}{counted_down(wanted.since)}~"
        for key in self._bucket.keys(_FOLDER):
            if last is not None and key > last:
                return
            if key > first:
                yield key


def _only_time(wanted: AuditFilter) -> bool:
    return replace(wanted, since=None, until=None) == EVERYTHING


def _fits(event: AuditEvent, wanted: AuditFilter) -> bool:
    """Whether the event is asked for, its time apart: that is in its key."""
    words = (event.actor, event.subject, event.correlation, json.dumps([dict(event.before), dict(event.after)]))
    return (
        (not wanted.actors or event.actor in wanted.actors)
        and (not wanted.actions or event.action in wanted.actions)
        and (not wanted.outcomes or event.outcome in wanted.outcomes)
        and wanted.subject.lower() in event.subject.lower()
        and (not wanted.text or any(wanted.text.lower() in word.lower() for word in words))
        and wanted.correlation in ("", event.correlation)
    )


def counted_down(at: datetime) -> str:
    """Sixteen digits that are smaller the later `at` is."""
    elapsed = at.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
    return f"{_LAST_US - microseconds:016d}"


def _conforms(adapter: S3AuditLog) -> AuditLog:
    return adapter
