"""Bringing runs of this machine to a W&B server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from backend.domain.run_sync import SyncedRun
from backend.domain.tracking import Run


class RunUploads(Protocol):
    def refusal(self) -> str:
        """Why nothing can be uploaded whatever the run, such as a key that is not set; empty when it can. At once."""
        ...

    def hold(self) -> AbstractContextManager[None]:
        """Within the block nobody else on this machine uploads. Raises `WrongStateError` when somebody does."""
        ...

    def check(self) -> None:
        """Ask the server whether it takes this key. Some seconds at most; raises `PlatformError` with the reason."""
        ...

    def upload(self, run: Run, *, seconds: float, tell: Callable[[str], None]) -> SyncedRun:
        """Upload the run's files and return once the server was asked and has the run with its last step.

        From then on the run reads as `synced`. A run that is whole on the server is not sent again. `tell` is called
        about every second with what goes on. Raises `WrongStateError` when the files hold no run, and
        `WorkFailedError` when the run is not whole on the server after `seconds`: it then does not read as `synced`.
        """
        ...
