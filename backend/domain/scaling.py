"""How many instances serve a stage."""

from __future__ import annotations

from dataclasses import dataclass

from backend.errors import InvalidInputError

MOST_INSTANCES = 100


@dataclass(frozen=True, kw_only=True)
class Autoscaling:
    """Between `minimum` and `maximum` instances, so many that each gets about `per_minute` requests a minute."""

    minimum: int
    maximum: int
    per_minute: int

    def require_sensible(self) -> None:
        """Raise `InvalidInputError` for bounds that no fleet can have."""
        if not 1 <= self.minimum <= self.maximum <= MOST_INSTANCES:
            raise InvalidInputError(
                f"Automatic scaling from {self.minimum} to {self.maximum} instances is not possible; "
                f"expected 1 <= minimum <= maximum <= {MOST_INSTANCES}."
            )
        if self.per_minute < 1:
            raise InvalidInputError(f"{self.per_minute} requests per minute and instance; expected at least 1.")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What is there, what was asked for, and the rule by which that changes by itself (None: it does not)."""

    instances: int
    desired: int
    autoscaling: Autoscaling | None = None
