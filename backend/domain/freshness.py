"""How old an answer is: a platform far away is asked in the background, and pages show what was last known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """`as_of` is when it was looked at, None when every call looks for itself; `trouble` why it is not newer."""

    as_of: datetime | None = None
    trouble: str = ""

    @property
    def is_stale(self) -> bool:
        return bool(self.trouble)


NOW = Freshness()
"""Of a platform whose answers are never kept."""
