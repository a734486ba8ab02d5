"""Who acts, and what their role allows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from backend.errors import PermissionDeniedError


class Role(Enum):
    """Ordered: each role may do what the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"

    @property
    def rank(self) -> int:
        return list(Role).index(self)


@dataclass(frozen=True, kw_only=True)
class Actor:
    """The person (or the machine account) on whose behalf something is done."""

    name: str
    role: Role

    def may(self, needed: Role) -> bool:
        return self.role.rank >= needed.rank

    def require(self, needed: Role, action: str) -> None:
        """Raise `PermissionDeniedError` unless the actor may do `action` (an infinitive: 'launch a training job')."""
        if not self.may(needed):
            raise PermissionDeniedError(
                f"'{self.name}' may not {action}: role is {self.role.value}, needed is {needed.value}.",
                hint=f"Ask someone who is {needed.value}; on your own machine, set DIGITS_ROLE={needed.value}.",
            )
