"""Until when a stage of this machine is to serve: a file of its folder, which its runner looks at."""

from __future__ import annotations

from pathlib import Path

from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.domain.lifetimes import Lifetime
from backend.domain.serving import Stage
from backend.ports.upkeep import Lifetimes


class LocalLifetimes:
    """`Lifetimes` of this machine."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def read(self, stage: Stage) -> Lifetime:
        return EndpointFolder(self._home, stage).lifetime()

    def keep(self, stage: Stage, lifetime: Lifetime) -> None:
        EndpointFolder(self._home, stage).keep_lifetime(lifetime)


def _conforms(adapter: LocalLifetimes) -> Lifetimes:
    return adapter
