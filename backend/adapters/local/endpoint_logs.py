"""What a stage's processes wrote: Triton itself, and the runner that supervises it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.job_output import read_log
from backend.domain.jobs import LogChunk
from backend.domain.serving import Stage
from backend.errors import NotFoundError
from backend.ports.upkeep import ServerLogs


class LocalServerLogs:
    """`ServerLogs` of this machine; each is cut at 2 MB, and the piece before that is not shown."""

    sources: Sequence[str] = ("Triton", "supervisor")

    def __init__(self, home: Path) -> None:
        self._home = home

    def read(self, stage: Stage, source: str, offset: int = 0, limit: int = 262_144) -> LogChunk:
        folder = EndpointFolder(self._home, stage)
        files = dict(zip(self.sources, (folder.triton_log, folder.runner_log), strict=True))
        if source not in files:
            raise NotFoundError(f"No log '{source}'.", hint=f"There are {' and '.join(files)}.")
        return read_log(files[source], offset, limit)


def _conforms(adapter: LocalServerLogs) -> ServerLogs:
    return adapter
