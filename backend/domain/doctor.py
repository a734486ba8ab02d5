"""The doctor's findings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Check:
    """One dependency: whether it is well, what was seen, and the command or sentence that mends it."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    seconds: float = 0.0
