"""What the doctor asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One dependency. `look` returns what it saw, or raises a `DigitsError` whose hint is the cure; it changes nothing
    that stays.
    """

    name: str
    look: Callable[[], str]
