"""Samples a stage's traffic once a minute, in its runner: history is there although no browser was open."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from backend.adapters.triton.metrics import parse_metrics, read_page
from backend.domain.serving import EndpointMetrics, ServedModel, Stage
from backend.domain.traffic import SAMPLE_S, Sample, sampled
from backend.errors import DigitsError
from backend.ports.clock import Clock

_LOOK_TIMEOUT_S = 1.0

log = logging.getLogger("endpoint")

Keep = Callable[[Stage, Sample], None]


class Server(Protocol):
    """The part of `SupervisedServer` that is asked."""

    @property
    def metrics_address(self) -> str:
        """`host:port` of the metrics page."""
        ...


class EndpointSampler:
    """`keep` stores a sample; it may raise `DigitsError`, and the minute is then lost, the stage serves on."""

    def __init__(self, stage: Stage, server: Server, keep: Keep, clock: Clock) -> None:
        self._stage = stage
        self._server = server
        self._keep = keep
        self._clock = clock
        self._before: EndpointMetrics | None = None
        self._own = 0
        self._due = 0.0

    def note_own_request(self) -> None:
        """The supervisor asked the model and was answered: nobody's traffic."""
        self._own += 1

    def beat(self, served: ServedModel) -> None:
        """Take the sample of `served` when it is due.

        Called before the supervisor's own requests of this beat: those of the last one are counted by then. Another
        version is looked at as soon as it serves: its minute begins there.
        """
        switched = self._before is not None and self._before.version != served.version
        if time.monotonic() < self._due and not switched:
            return
        self._due = time.monotonic() + SAMPLE_S
        own, self._own = self._own, 0
        before, self._before = self._before, None
        try:
            page = read_page(self._server.metrics_address, timeout_s=_LOOK_TIMEOUT_S)
            self._before = parse_metrics(page, version=served.version, at=self._clock())
            sample = sampled(before, self._before, own=own) if before else None
            if sample is not None:
                self._keep(self._stage, sample)
        except DigitsError as error:
            log.warning("no sample of the last minute: %s", error.message)
