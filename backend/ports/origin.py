"""From where deployments are asked for."""

from __future__ import annotations

from collections.abc import Callable

from backend.domain.origin import Origin

OriginOf = Callable[[], Origin]
"""Returns the commit and CI run of this process, within a second; what is not known is empty."""
