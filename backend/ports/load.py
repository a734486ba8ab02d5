"""Asking an endpoint as hard as many clients would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from backend.domain.loadtest import LoadPlan, Reach, Shot

Progress = Callable[[float, int, int], None]
"""Called about once a second with the seconds gone, the requests finished and, of these, the failed ones."""


class LoadGenerator(Protocol):
    """An endpoint is asked at its `Endpoint.address`."""

    @property
    def reach(self) -> Reach: ...

    def closed_loop(self, address: str, plan: LoadPlan, progress: Progress) -> Sequence[Shot]:
        """Ask it about known digits, one at a time per connection, until the plan's time is over.

        Returns one shot per request, in no order; a request that fails is a shot too, and nothing is raised for it.
        None begins after the plan's time, and each has two seconds. Raises `SetupError` when it may not ask at all.
        """
        ...

    def stream(self, address: str, per_second: float) -> AbstractContextManager[Sequence[Shot]]:
        """Within the block, and half a second beyond it, ask it about known digits at a fixed rate.

        A request is due whatever came of the ones before it; its times are of `time.monotonic`. The sequence grows
        while the block runs and is complete after it. A request that fails is a shot, and nothing is raised for it.
        """
        ...
