"""A load that takes no time."""

from __future__ import annotations

from collections.abc import Sequence

from backend.domain.loadtest import LoadPlan, Shot
from backend.ports.load import LoadGenerator, Progress


class FakeLoad:
    """`LoadGenerator` that tells of ten requests of 10 ms each, `failing` of them unanswered; keeps what was asked."""

    def __init__(self, *, failing: int = 0) -> None:
        self.failing = failing
        self.asked: list[tuple[str, LoadPlan]] = []

    def closed_loop(self, url: str, plan: LoadPlan, progress: Progress) -> Sequence[Shot]:
        self.asked.append((url, plan))
        progress(1.0, 10, self.failing)
        answered = [Shot(due=n, sent=n, done=n + 0.01, version=1) for n in range(10 - self.failing)]
        return [*answered, *(Shot(due=n, sent=n, done=n + 2.0, failure="timeout") for n in range(self.failing))]


def _conforms(load: FakeLoad) -> LoadGenerator:
    return load
