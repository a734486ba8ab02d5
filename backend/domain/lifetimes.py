"""How long a stage is meant to serve."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from backend.domain.serving import Stage
from backend.errors import InvalidInputError

LIMITED: Final = Stage.STAGING
"""Production serves until somebody decides otherwise."""
EXPIRED: Final = "expire"
"""The action of the audit event that takes a stage down because its time was over."""
KEEPER: Final = "time to live"
"""Who takes it down, in the audit log, where the platform does so by itself."""
MOST_HOURS: Final = 24.0 * 30


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """The stage serves until `until` (None: without limit). `taken_down_at` is when its time was over and it was
    taken down, None unless that is how it stands.
    """

    until: datetime | None = None
    taken_down_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        return self.until is not None and now >= self.until


NO_LIMIT: Final = Lifetime()


def extended(lifetime: Lifetime, hours: float, now: datetime) -> Lifetime:
    """`hours` more than it had, or from now on if it had no limit; never more than `MOST_HOURS` ahead.

    Raises `InvalidInputError` for hours that are no extension.
    """
    if not 0 < hours <= MOST_HOURS:
        raise InvalidInputError(
            f"A stage cannot be extended by {hours:g} hours; expected more than 0 and at most {MOST_HOURS:g}.",
            hint="Without a limit it serves until it is deleted.",
        )
    until = max(lifetime.until or now, now) + timedelta(hours=hours)
    return Lifetime(until=min(until, now + timedelta(hours=MOST_HOURS)))
