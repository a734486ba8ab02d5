"""Drift: what a stage serves is not what the last deployment left, and no deployment changed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

GUARD: Final = "guard"
"""The actor of the events by which drift is recorded, and their action is 'drift'."""
DRIFTED: Final = "drifted"
IN_STEP: Final = "in step"
"""The outcomes of these events: when it was seen first, and when it was gone."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing (`what`: a noun) that is not as it should be, in words or short digests."""

    what: str
    wanted: str
    served: str

    def __str__(self) -> str:
        return f"{self.what}: should be {self.wanted}, is {self.served}"


def told(differences: Sequence[Difference]) -> str:
    """All of them in one line; empty without any."""
    return "; ".join(str(difference) for difference in differences)
