"""Uploads for tests of the sync and of pages: nothing leaves the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backend.domain.run_sync import SyncedRun
from backend.domain.tracking import Run
from backend.errors import DigitsError, WrongStateError
from backend.ports.run_sync import RunUploads


class FakeUploads:
    """`RunUploads` that take every run, unless a test says what is wrong.

    `no` is the refusal, `down` what `check` raises, `bad` what the upload of a run (by its id) raises.
    """

    def __init__(self, no: str = "") -> None:
        self.no = no
        self.down: DigitsError | None = None
        self.bad: dict[str, DigitsError] = {}
        self.uploaded: list[str] = []
        self.checked = 0
        self.held = False
        self.meanwhile: Callable[[], None] = lambda: None
        """Called within each upload."""

    def refusal(self) -> str:
        return self.no

    @contextmanager
    def hold(self) -> Iterator[None]:
        if self.held:
            raise WrongStateError("Another sync is running on this machine.")
        self.held = True
        try:
            yield
        finally:
            self.held = False

    def check(self) -> None:
        self.checked += 1
        if self.down is not None:
            raise self.down

    def upload(self, run: Run, *, seconds: float, tell: Callable[[str], None]) -> SyncedRun:
        tell("uploading, 1 s")
        self.meanwhile()
        if run.id in self.bad:
            raise self.bad[run.id]
        self.uploaded.append(run.id)
        url = f"https://wandb.example/acme/{run.project}/runs/{run.id}"
        return SyncedRun(url=url, last_step=run.last_step, rows=run.rows)


def _conforms(uploads: FakeUploads) -> RunUploads:
    return uploads
