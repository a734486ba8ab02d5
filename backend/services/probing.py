"""The probe stream beside a deployment: what a client would have noticed of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from backend.domain.loadtest import Shot
from backend.domain.probing import PER_SECOND, ProbeStream, summarise_stream
from backend.domain.serving import EndpointStatus, Stage
from backend.domain.steps import StepStatus
from backend.ports.load import LoadGenerator
from backend.ports.serving import Report, ServingPlatform


class ProbedChanges:
    """Changes of what a stage serves, each with somebody who goes on asking."""

    def __init__(self, serving: ServingPlatform, load: LoadGenerator) -> None:
        self._serving = serving
        self._load = load

    @contextmanager
    def watched(self, stage: Stage, report: Report, saw: Callable[[ProbeStream], None]) -> Iterator[Report]:
        """Ask the stage from before the block until after it, and tell `saw` once what came of it.

        The block reports its steps to what is yielded, which hands them on to `report`. Where nothing serves before, no
        client can be let down: then asking begins when the block has ended, if something serves by then; `saw` is not
        called when nothing was ever asked.
        """
        url = self._address(stage)
        if not url:
            yield report
            if url := self._address(stage):
                saw(summarise_stream(self._ask(url), per_second=PER_SECOND, began=-math.inf, over=-math.inf))
            return
        change = _Change(report)
        shots: Sequence[Shot] = ()
        try:
            with self._load.stream(url, PER_SECOND) as shots:
                try:
                    yield change.report
                finally:
                    change.end()
        finally:
            saw(summarise_stream(shots, per_second=PER_SECOND, began=change.began, over=change.over))

    def _ask(self, url: str) -> Sequence[Shot]:
        with self._load.stream(url, PER_SECOND) as shots:
            pass  # it goes on for half a second
        return shots

    def _address(self, stage: Stage) -> str:
        endpoint = self._serving.describe(stage)
        return endpoint.url if endpoint.status is EndpointStatus.IN_SERVICE else ""


class _Change:
    """Notes, by the steps that are reported, when the switch `began` and when what it replaced was gone: `over`.

    Both are infinite when that never came. One that was undone is over when it ended.
    """

    def __init__(self, report: Report) -> None:
        self.began = math.inf
        self.over = math.inf
        self._report = report

    def report(self, step: str, status: StepStatus, detail: str) -> None:
        if (step, status) == ("switch", StepStatus.IN_PROGRESS):
            self.began = time.monotonic()
        if (step, status) == ("drain", StepStatus.COMPLETED):
            self.over = time.monotonic()
        self._report(step, status, detail)

    def end(self) -> None:
        if self.began < math.inf == self.over:
            self.over = time.monotonic()
