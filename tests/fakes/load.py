"""A load that takes no time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from backend.domain.loadtest import LoadPlan, Reach, Shot
from backend.ports.load import LoadGenerator, Progress

_LATENCY_S = 0.004


class FakeLoad:
    """`LoadGenerator` that tells of ten requests of 10 ms each, `failing` of them unanswered; keeps what was asked.

    Its stream asks once before the block and once after it.
    """

    def __init__(self, *, failing: int = 0) -> None:
        self.reach = Reach()
        self.failing = failing
        self.asked: list[tuple[str, LoadPlan]] = []
        self.streamed: list[tuple[str, float]] = []

    def closed_loop(self, address: str, plan: LoadPlan, progress: Progress) -> Sequence[Shot]:
        self.asked.append((address, plan))
        progress(1.0, 10, self.failing)
        answered = [Shot(due=n, sent=n, done=n + 0.01, version=1) for n in range(10 - self.failing)]
        return [*answered, *(Shot(due=n, sent=n, done=n + 2.0, failure="timeout") for n in range(self.failing))]

    @contextmanager
    def stream(self, address: str, per_second: float) -> Iterator[Sequence[Shot]]:
        self.streamed.append((address, per_second))
        begun = time.monotonic() - 2 * _LATENCY_S
        shots = [Shot(due=begun, sent=begun, done=begun + _LATENCY_S, version=1)]
        try:
            yield shots
        finally:
            last = time.monotonic() + _LATENCY_S
            failure = "timeout" if self.failing else ""
            shots.append(Shot(due=last, sent=last, done=last + _LATENCY_S, version=2, failure=failure))


def _conforms(load: FakeLoad) -> LoadGenerator:
    return load
