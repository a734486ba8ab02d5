"""Where runs are read from: files of W&B on this machine, or a W&B server."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

from backend.domain.tracking import (
    EVERY_RUN,
    Console,
    History,
    MediaItem,
    Run,
    RunFilter,
    RunPage,
    SourceStatus,
)

MOST_RUNS: Final = 1_000
MOST_LINES: Final = 1_000
MOST_MEDIA: Final = 1_000
LARGEST_MEDIA: Final = 32 * 2**20
"""Bytes of one file."""


class RunReader(Protocol):
    """Runs to look at. Nothing here changes a run; every method may be called from several threads.

    What lists and what asks for news answers at once, with what is known: a server is read by a thread of its own, and
    while it cannot be reached the last good answer stays and `status` says so. What reads one run's data may wait, at
    most 15 seconds.
    """

    def status(self) -> SourceStatus:
        """How the source is doing. At once; never raises."""
        ...

    def token(self) -> str:
        """Opaque; equal to an earlier one when nothing that this source tells has changed since, so that a page can
        leave everything as it is. Costs 30 ms for 1,000 runs, reads no data, and is as fresh as `list_runs`.
        """
        ...

    def list_runs(self, where: RunFilter = EVERY_RUN, *, offset: int = 0, limit: int = MOST_RUNS) -> RunPage:
        """The runs that `where` admits, newest first, from the `offset`-th on, at most `limit`; empty without any.

        At once: files as they are now, a server as of `status().as_of`. Runs may be `partial`; later calls complete
        them little by little, newest first. A run that did not change is the same object as before. Never raises.
        """
        ...

    def get_run(self, key: str) -> Run:
        """The run with this key, complete (not `partial`). The bare id of a run does as well where only one has it.

        Raises `NotFoundError` when there is none, or when several have the id.
        """
        ...

    def histories(self, keys: Collection[str], metrics: Collection[str] | None = None) -> Mapping[str, History]:
        """The history of each run under its key, with the named columns only, or all of them.

        A run that did not log a metric lacks the column; one without rows has a history of length 0; a key that the
        source does not know is left out. Only what came since the last call is read: 200 runs of 2,000 rows and 5
        metrics that did not change take 50 ms. Columns are shared with other callers: never write into them.
        Raises `PlatformError` when the data cannot be had and no earlier answer is known.
        """
        ...

    def system_metrics(self, key: str) -> History:
        """CPU, memory, GPU, disk and network over the run, as the history's columns; `steps` number the samples.

        Length 0 when none were recorded. Raises as `get_run`, and `PlatformError`.
        """
        ...

    def console(self, key: str, *, lines: int = MOST_LINES) -> Console:
        """The last lines that the run printed; without any when W&B did not record them. Raises as `system_metrics`."""
        ...

    def media(self, key: str, *, limit: int = MOST_MEDIA) -> Sequence[MediaItem]:
        """What was logged beside numbers, the newest `limit` of it, in the order in which it was logged.

        Only what lies within the run's own files: other paths are left out. Raises as `system_metrics`.
        """
        ...

    def read_media(self, key: str, path: str) -> bytes:
        """The file that a `MediaItem` of the run names.

        Raises `NotFoundError` when it is gone, or is not within the run's files (links are not followed out of them),
        `InvalidInputError` when it is larger than `LARGEST_MEDIA`, and as `system_metrics`.
        """
        ...

    def refresh(self) -> None:
        """Ask for a fresh look, and return at once. Changes nothing for files: they are looked at each time."""
        ...
