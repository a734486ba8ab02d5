"""The audit log as S3 objects, one per event, so that dashboards and CI write into one.

`audit/<time, counted down>-<random>.json`: S3 lists keys in ascending order, so that the newest event comes first and a
list of the last hundred costs one call and as many reads. Nothing here deletes or replaces one, and the policies under
docs/iam let nobody do so.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from backend.adapters.sagemaker.errors import LostRaceError
from backend.adapters.sagemaker.kept import Kept
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.records import to_document
from backend.domain.audit import AuditEvent
from backend.ports.audit import AuditLog

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
        self, *, since: datetime | None = None, subject: str = "", limit: int = 1000
    ) -> Sequence[AuditEvent]:
        found = (event for event in self._newest_first(since) if subject in event.subject)
        return list(islice(found, limit))

    def _newest_first(self, since: datetime | None) -> Iterator[AuditEvent]:
        """A hundred at a time: whoever asks for few waits for few."""
        until = None if since is None else f"{_FOLDER}{counted_down(since)}~"
        keys = iter(self._bucket.keys(_FOLDER))
        while batch := list(islice(keys, _AT_ONCE)):
            wanted = [key for key in batch if until is None or key < until]
            yield from self._events.read_all(wanted)
            if len(wanted) < len(batch):
                return


def counted_down(at: datetime) -> str:
    """Sixteen digits that are smaller the later `at` is."""
    elapsed = at.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
    return f"{_LAST_US - microseconds:016d}"


def _conforms(adapter: S3AuditLog) -> AuditLog:
    return adapter
