"""Fleets on this machine: there are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from backend.domain.capabilities import Feature, Unsupported, require
from backend.domain.scaling import Autoscaling, Scale
from backend.domain.serving import Stage
from backend.ports.fleets import Fleets

_REASONS: Final[Unsupported] = {
    Feature.SCALE: "One Triton serves a stage on this machine and uses all of its cores. More instances are for the "
    "platform sagemaker.",
    Feature.ALARMS: "On this machine a deployment itself asks the new version before and after it takes over.",
}


class LocalFleets:
    """`Fleets` where one process serves a stage: refuses everything, with the reason."""

    def __init__(self) -> None:
        self.unsupported = _REASONS

    def read(self, stage: Stage) -> Scale:
        require(Feature.SCALE, self.unsupported)
        return Scale(instances=1, desired=1)

    def set(self, stage: Stage, instances: int) -> None:
        require(Feature.SCALE, self.unsupported)

    def set_automatically(self, stage: Stage, rule: Autoscaling) -> None:
        require(Feature.SCALE, self.unsupported)

    def set_by_hand(self, stage: Stage) -> None:
        require(Feature.SCALE, self.unsupported)

    def watch(self, stage: Stage) -> Sequence[str]:
        require(Feature.ALARMS, self.unsupported)
        return ()


def _conforms(adapter: LocalFleets) -> Fleets:
    return adapter
