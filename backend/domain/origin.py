"""From where a deployment was asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The commit of the code that deployed (40 hexadecimal digits) and the CI run that ran it; empty where unknown."""

    commit: str = ""
    run_url: str = ""
