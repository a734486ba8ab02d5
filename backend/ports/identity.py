"""Who acts."""

from __future__ import annotations

from typing import Protocol

from backend.domain.identity import Actor


class Identity(Protocol):
    def actor(self) -> Actor:
        """The person (or machine account) on whose behalf this process, or this browser session, acts now.

        Asked anew for every page and every command; services ask the actor's role again for every effect.
        """
        ...
