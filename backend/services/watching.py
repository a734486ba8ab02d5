"""What the traffic of a stage says: since when nobody asks, and whether the answers are those it was tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.domain.prediction_mix import DIGITS, MixDrift, Tally, mix_drift, total
from backend.domain.serving import Stage
from backend.domain.traffic import Idle, Span, idle_since
from backend.errors import NotFoundError
from backend.ports.registry import ModelRegistry
from backend.ports.serving import ServingPlatform
from backend.ports.upkeep import Tallies, Traffic


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What our clients were answered within a span.

    `version` is what the stage stands for, or answered last while it stands for nothing (0: nobody did); `answered`
    [10] counts its answers by digit, `tested` [10] those it gave on the test set (zeros when not known).
    """

    version: int
    tallies: Sequence[Tally]
    answered: tuple[int, ...]
    tested: tuple[int, ...]

    @property
    def failed(self) -> int:
        """Requests of our clients that got no answer."""
        return sum(tally.failed for tally in self.tallies)

    @property
    def drift(self) -> MixDrift:
        return mix_drift(self.answered, self.tested)


class Watching:
    def __init__(self, traffic: Traffic, tallies: Tallies, serving: ServingPlatform, registry: ModelRegistry) -> None:
        self._traffic = traffic
        self._tallies = tallies
        self._serving = serving
        self._registry = registry

    def idle(self, stage: Stage) -> Idle | None:
        """Since when no client has been answered; None when nothing is deployed."""
        endpoint = self._serving.describe(stage)
        since = idle_since(self._traffic.last_request(stage), endpoint.since)
        if endpoint.wanted is None or since is None:
            return None
        return Idle(since=since, hourly=self._serving.hourly_cost(stage))

    def answers(self, stage: Stage, span: Span) -> Answers:
        current, tallies = self._serving.describe(stage).current, self._tallies.read(stage, span)
        version = current.version if current else max((tally.version for tally in tallies), default=0)
        return Answers(version=version, tallies=tallies, answered=total(tallies, version), tested=self._tested(version))

    def _tested(self, version: int) -> tuple[int, ...]:
        """How often the version answered each digit on the test set: its own errors then are no drift."""
        try:
            evaluation = self._registry.get(version).evaluation if version else None
        except NotFoundError:
            evaluation = None
        if evaluation is None:
            return (0,) * DIGITS
        return tuple(sum(column) for column in zip(*evaluation.confusion, strict=True))
