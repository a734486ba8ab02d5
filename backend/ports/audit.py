"""The record of effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from backend.domain.audit import AuditEvent, AuditFilter, AuditWords

EVERYTHING = AuditFilter()


class AuditLog(Protocol):
    def append(self, event: AuditEvent) -> None:
        """Add the event; nothing ever changes or removes one, and the store itself refuses it."""
        ...

    def list_events(
        self, wanted: AuditFilter = EVERYTHING, *, limit: int = 1000, offset: int = 0
    ) -> Sequence[AuditEvent]:
        """The events that fit, newest first: at most `limit` of them, after the first `offset`."""
        ...

    def count(self, wanted: AuditFilter = EVERYTHING) -> int:
        """How many events fit."""
        ...

    def words(self) -> AuditWords:
        """What there is to filter by."""
        ...
