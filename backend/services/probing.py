"""The probe stream beside a deployment: what a client would have noticed of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from backend.domain.loadtest import Shot
from backend.domain.probing import ProbeStream, summarise_stream
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
        address = self._address(stage)
        if not address:
            yield report
            if address := self._address(stage):
                self._tell(saw, self._ask(address), began=-math.inf, over=-math.inf)
            return
        change = _Change(report)
        shots: Sequence[Shot] = ()
        try:
            with self._load.stream(address, self._load.reach.per_second) as shots:
                try:
                    yield change.report
                finally:
                    change.end()
        finally:
            self._tell(saw, shots, began=change.began, over=change.over)

    def _ask(self, address: str) -> Sequence[Shot]:
        with self._load.stream(address, self._load.reach.per_second) as shots:
            pass  # it goes on for half a second
        return shots

    def _tell(self, saw: Callable[[ProbeStream], None], shots: Sequence[Shot], *, began: float, over: float) -> None:
        if shots:  # there are none where we may not ask
            saw(summarise_stream(shots, per_second=self._load.reach.per_second, began=began, over=over))

    def _address(self, stage: Stage) -> str:
        endpoint = self._serving.describe(stage)
        return endpoint.address if endpoint.status is EndpointStatus.IN_SERVICE else ""


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
