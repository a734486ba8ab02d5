"""What stands behind an endpoint: how many instances, and the alarms that watch a new version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from backend.domain.capabilities import Unsupported
from backend.domain.scaling import Autoscaling, Scale
from backend.domain.serving import Stage


class Fleets(Protocol):
    """Every method raises `RefusedError` with the reason where its feature (`SCALE`, `ALARMS`) is unsupported."""

    unsupported: Unsupported

    def read(self, stage: Stage) -> Scale:
        """Raises `NotFoundError` when nothing is deployed."""
        ...

    def set(self, stage: Stage, instances: int) -> None:
        """Begin to change the number of instances; requests are answered meanwhile.

        Raises `WrongStateError` while the number is set automatically, `NotFoundError` when nothing is deployed,
        `QuotaError` when the account has no room.
        """
        ...

    def set_automatically(self, stage: Stage, rule: Autoscaling) -> None:
        """Let the number follow the load from now on; replaces the rule there is. Raises `NotFoundError`."""
        ...

    def set_by_hand(self, stage: Stage) -> None:
        """Let the number stay as it is from now on; nothing where it does already."""
        ...

    def watch(self, stage: Stage) -> Sequence[str]:
        """Make the alarms that take a bad version back, or set them right; their names."""
        ...
