"""Histories of runs on a W&B server: read once, kept on disk, and read on from where they ended."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures import TimeoutError as NoAnswerError
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from backend.adapters.wandb.cloud_columns import Columns
from backend.adapters.wandb.cloud_process import CloudProcess
from backend.adapters.wandb.cloud_trouble import NO_ANSWER, CloudTrouble, CloudTroubleError
from backend.domain.tracking import Run

_AT_ONCE: Final = 8
_KEPT: Final = 500
"""Histories in memory, 1 MB each or so at 20,000 rows of 5 metrics; the others are on disk."""
_READ_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 14.0
_ENOUGH_SECONDS: Final = 5.0
"""A chart of most of the runs now is worth more than one of all of them later."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The whole history of a run as it was when `revision` (the server's) was current."""

    revision: str
    columns: Columns


class CloudHistories:
    """Of one project. Several threads may ask for the same run: it is read once."""

    def __init__(self, process: CloudProcess, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._reading: dict[str, Future[Kept]] = {}
        self._wanted: queue.SimpleQueue[tuple[Run, Future[Kept]]] = queue.SimpleQueue()
        self._readers = 0

    def kept(self, key: str) -> Kept | None:
        """What is in memory, at once."""
        return self._kept.get(key)

    def read(self, runs: Collection[Run]) -> tuple[Mapping[str, Kept], CloudTroubleError | None]:
        """The histories by the runs' keys; the first failure, if there was one. Waits 5 s, and 14 s for the first.

        Runs that could not be read in time are left out, or are as they were before; reading them goes on, and when
        they are there `kept` has them.
        """
        found: dict[str, Kept] = {}
        asked: dict[str, Future[Kept]] = {}
        for run in runs:
            kept = self._kept.get(run.key)
            if kept is not None and kept.revision == run.revision:
                found[run.key] = kept
            else:
                asked[run.key] = self._begin(run)
        done, _ = wait(asked.values(), timeout=_ENOUGH_SECONDS)
        if asked and not done and not found:
            wait(asked.values(), timeout=_PATIENCE_SECONDS - _ENOUGH_SECONDS, return_when=FIRST_COMPLETED)
        failures: list[CloudTroubleError] = []
        for key, reading in asked.items():
            try:
                found[key] = reading.result(timeout=0)
            except CloudTroubleError as error:
                failures.append(error)
            except NoAnswerError:
                failures.append(CloudTroubleError(CloudTrouble(status=None, kind="", text=NO_ANSWER)))
            if key not in found and (before := self._kept.get(key)) is not None:
                found[key] = before
        return found, failures[0] if failures else None

    def _begin(self, run: Run) -> Future[Kept]:
        with self._lock:
            reading = self._reading.get(run.key)
            if reading is None:
                reading = self._reading[run.key] = Future()
                self._wanted.put((run, reading))
                if self._readers < _AT_ONCE:
                    self._readers += 1
                    # Not a pool of concurrent.futures: leaving the program would wait for the server.
                    threading.Thread(target=self._work, name="wandb-history", daemon=True).start()
            return reading

    def _work(self) -> None:
        while True:
            with self._lock:
                try:
                    run, reading = self._wanted.get_nowait()
                except queue.Empty:
                    self._readers -= 1
                    return
            try:
                kept = self._read(run)
            except Exception as error:  # noqa: BLE001 - handed to who waits
                with self._lock:
                    del self._reading[run.key]
                reading.set_exception(error)
            else:
                with self._lock:
                    self._keep(run.key, kept)
                    del self._reading[run.key]
                reading.set_result(kept)

    def _keep(self, key: str, kept: Kept) -> None:
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    def _read(self, run: Run) -> Kept:
        file = self._folder / f"{hashlib.sha256(run.key.encode()).hexdigest()[:24]}.npz"
        before = self._kept.get(run.key) or _from_disk(file)
        if before is not None and before.revision == run.revision:
            return before
        return self._on(run, before.columns if before is not None else Columns(), file)

    def _on(self, run: Run, columns: Columns, file: Path) -> Kept:
        """Read what came after the rows that are known, or all when those are no longer the run's."""
        if len(columns.steps) > (run.rows or 0) or columns.last_step > run.last_step:
            columns = Columns()  # the run was taken back to an earlier step
        if columns.last_step < run.last_step:
            file.parent.mkdir(parents=True, exist_ok=True)
            aside = file.with_name(f"{uuid4().hex}.npz")
            try:
                self._process.ask(
                    "history",
                    seconds=_READ_SECONDS,
                    entity=run.entity,
                    project=run.project,
                    run=run.id,
                    after=columns.last_step,
                    to=str(aside),
                )
                columns = columns.extended(Columns.read(aside))
            finally:
                aside.unlink(missing_ok=True)
        columns.revision = run.revision
        file.parent.mkdir(parents=True, exist_ok=True)
        columns.write(file)
        return Kept(revision=run.revision, columns=columns)


def _from_disk(file: Path) -> Kept | None:
    try:
        columns = Columns.read(file)
    except (OSError, ValueError, KeyError):
        return None  # there is none, or it is another version's: the server has it
    return Kept(revision=columns.revision, columns=columns)
