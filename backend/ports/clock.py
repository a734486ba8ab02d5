"""Time, so that tests need not wait for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

Clock = Callable[[], datetime]
"""Returns now, in UTC, aware of its zone."""
