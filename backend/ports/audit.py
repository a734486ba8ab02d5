"""The record of effects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from backend.domain.audit import AuditEvent


class AuditLog(Protocol):
    def append(self, event: AuditEvent) -> None:
        """Add the event; nothing ever changes or removes one."""
        ...

    def list_events(
        self, *, since: datetime | None = None, subject: str = "", limit: int = 1000
    ) -> Sequence[AuditEvent]:
        """The newest `limit` events, newest first; `subject` keeps those whose subject contains it."""
        ...
