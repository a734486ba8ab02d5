"""What a stage's processes wrote: Triton itself, and the runner that supervises it."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.job_output import read_log
from backend.domain.jobs import LogChunk
from backend.domain.serving import Stage
from backend.errors import NotFoundError
from backend.ports.upkeep import ServerLogs

MAX_LOG_BYTES: Final = 2 * 2**20
_TRITON: Final = "Triton"
_SUPERVISOR: Final = "supervisor"

log = logging.getLogger("endpoint")


class LocalServerLogs:
    """`ServerLogs` of this machine; each is cut at 2 MB, and the piece before that is not shown.

    A Triton that serves a stage in `external` writes its log elsewhere.
    """

    def __init__(self, home: Path, external: Collection[Stage] = ()) -> None:
        self._home = home
        self._external = external

    def sources(self, stage: Stage) -> Sequence[str]:
        return (_SUPERVISOR,) if stage in self._external else (_TRITON, _SUPERVISOR)

    def read(self, stage: Stage, source: str, offset: int = 0, limit: int = 262_144) -> LogChunk:
        folder = EndpointFolder(self._home, stage)
        files = {_TRITON: folder.triton_log, _SUPERVISOR: folder.runner_log}
        known = self.sources(stage)
        if source not in known:
            raise NotFoundError(f"No log '{source}' of '{stage.value}'.", hint=f"There is {' and '.join(known)}.")
        return read_log(files[source], offset, limit)


def rotate(path: Path) -> None:
    """Copy a log that has grown large to `<name>.1` and empty it.

    In place, since the processes that write keep it open (for appending); a line written meanwhile may be lost.
    """
    try:
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            shutil.copyfile(path, path.with_name(f"{path.name}.1"))
            os.truncate(path, 0)
    except OSError as error:
        log.error("'%s' cannot be rotated, serving goes on: %s", path, error)  # noqa: TRY400 - a full disk


def _conforms(adapter: LocalServerLogs) -> ServerLogs:
    return adapter
