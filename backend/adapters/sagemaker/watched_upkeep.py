"""Traffic, tallies, logs and lifetimes for a dashboard, as `watched`: no chart waits for AWS."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from backend.adapters.sagemaker.background import LIST_SECONDS, Answers
from backend.domain.jobs import LogChunk
from backend.domain.lifetimes import Lifetime
from backend.domain.prediction_mix import Tally
from backend.domain.serving import Stage
from backend.domain.traffic import Sample, Span
from backend.ports.upkeep import Lifetimes, ServerLogs, Tallies, Traffic

_METRICS_S: Final = 60.0
"""CloudWatch has a new number each minute, and each look costs."""
_LOG_S: Final = 10.0


class WatchedTraffic:
    """`Traffic` for a dashboard."""

    def __init__(self, traffic: Traffic) -> None:
        self.source = traffic.source
        self._samples: Answers[Sequence[Sample]] = Answers(
            lambda asked: traffic.samples(*_stage_and_span(asked)), lambda _: _METRICS_S
        )
        self._last: Answers[datetime | None] = Answers(
            lambda stage: traffic.last_request(Stage(stage)), lambda _: _METRICS_S
        )

    def samples(self, stage: Stage, span: Span) -> Sequence[Sample]:
        return self._samples.get(f"{stage.value} {span.value}")

    def last_request(self, stage: Stage) -> datetime | None:
        return self._last.get(stage.value)


class WatchedTallies:
    """`Tallies` for a dashboard; what is added is counted here at once and written in the background."""

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies
        self._read: Answers[Sequence[Tally]] = Answers(
            lambda asked: tallies.read(*_stage_and_span(asked)), lambda _: LIST_SECONDS
        )

    def add(self, stage: Stage, tally: Tally) -> None:
        self._tallies.add(stage, tally)

    def read(self, stage: Stage, span: Span) -> Sequence[Tally]:
        return self._read.get(f"{stage.value} {span.value}")


class WatchedServerLogs:
    """`ServerLogs` for a dashboard; the pieces of a download are read while it waits."""

    def __init__(self, logs: ServerLogs) -> None:
        self._logs = logs
        self._ends: Answers[LogChunk] = Answers(self._ask, lambda _: _LOG_S)

    def sources(self, stage: Stage) -> Sequence[str]:
        return self._logs.sources(stage)

    def read(self, stage: Stage, source: str, offset: int = 0, limit: int = 262_144) -> LogChunk:
        if offset >= 0:
            return self._logs.read(stage, source, offset, limit)
        return self._ends.get(f"{stage.value} {offset} {limit} {source}")

    def _ask(self, asked: str) -> LogChunk:
        stage, offset, limit, source = asked.split(" ", 3)
        return self._logs.read(Stage(stage), source, int(offset), int(limit))


class WatchedLifetimes:
    """`Lifetimes` for a dashboard."""

    def __init__(self, lifetimes: Lifetimes) -> None:
        self._lifetimes = lifetimes
        self._known: Answers[Lifetime] = Answers(lambda stage: lifetimes.read(Stage(stage)), lambda _: LIST_SECONDS)

    def read(self, stage: Stage) -> Lifetime:
        return self._known.get(stage.value)

    def keep(self, stage: Stage, lifetime: Lifetime) -> None:
        self._lifetimes.keep(stage, lifetime)
        self._known.forget()


def _stage_and_span(asked: str) -> tuple[Stage, Span]:
    stage, span = asked.split(" ")
    return Stage(stage), Span(span)


def _conforms_traffic(adapter: WatchedTraffic) -> Traffic:
    return adapter


def _conforms_tallies(adapter: WatchedTallies) -> Tallies:
    return adapter


def _conforms_logs(adapter: WatchedServerLogs) -> ServerLogs:
    return adapter


def _conforms_lifetimes(adapter: WatchedLifetimes) -> Lifetimes:
    return adapter
