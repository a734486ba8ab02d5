"""Runs read from W&B's files on this machine: each byte once, what was read kept in memory and on disk."""

from __future__ import annotations

import hashlib
import threading
import time
from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from backend.adapters.wandb import run_files
from backend.adapters.wandb.log_format import FileState
from backend.adapters.wandb.run_cache import RunCache
from backend.adapters.wandb.run_digest import Columns, Digest
from backend.adapters.wandb.run_digests import Digests, no_collection
from backend.adapters.wandb.run_folders import RunFolder, run_folders
from backend.adapters.wandb.run_told import SMALL, Told, glance, revision_of, run_of, state_of, told_by
from backend.domain.tracking import (
    EVERY_RUN,
    NO_PROJECT,
    Console,
    History,
    MediaItem,
    Run,
    RunFilter,
    RunPage,
    RunSource,
    SourceStatus,
    run_key,
)
from backend.errors import NotFoundError
from backend.ports.tracking import MOST_LINES, MOST_MEDIA, MOST_RUNS, RunReader

_SAVED_EVERY: Final = 5.0
"""Seconds between two writings of the index."""
_COMPLETED_AT_ONCE: Final = 0.03
"""Seconds of a listing that go into completing runs that were glanced at."""

Alive = Callable[[str], bool | None]
"""Whether the process that records the run with this id lives; None where that is not known here."""


@dataclass
class _Known:
    folder: RunFolder
    told: Told


class OfflineRuns:
    """`RunReader` over folders of this machine.

    `roots` are searched one level deep, and one below a folder `wandb` in them. `cache` is a folder of our own.
    """

    def __init__(self, roots: Sequence[Path], cache: Path, *, alive: Alive = lambda _: None) -> None:
        self._roots = tuple(roots)
        self._cache = RunCache(cache)
        self._digests = Digests(self._cache)
        self._alive = alive
        self._lock = threading.RLock()
        self._known: dict[str, _Known] = {}
        self._runs: dict[str, Run] = {}
        self._index: dict[str, tuple[FileState, Told]] | None = None
        self._as_of: datetime | None = None
        self._saved_at = -_SAVED_EVERY

    def status(self) -> SourceStatus:
        return SourceStatus(
            source=RunSource.OFFLINE, as_of=self._as_of, detail=", ".join(str(root) for root in self._roots)
        )

    def token(self) -> str:
        now = time.time()
        mark = hashlib.sha256()
        for folder in sorted(run_folders(self._roots), key=lambda found: found.path):
            told = known.told if (known := self._known.get(folder.log)) else None
            state = ""
            if told is not None and told["exit_code"] is None:  # it may fall silent without a byte written
                state = state_of([(folder, told)], now=now, alive=self._alive(folder.run_id)).value
            partial = told is None or told["partial"]
            mark.update(repr((folder.path, folder.state, folder.synced, partial, state)).encode("utf-8", "replace"))
        return mark.hexdigest()[:16]

    def list_runs(self, where: RunFilter = EVERY_RUN, *, offset: int = 0, limit: int = MOST_RUNS) -> RunPage:
        with self._lock:
            self._look()
            self._complete_some()
            admitted = sorted(
                filter(where.admits, self._runs.values()), key=lambda run: (run.created_at, run.key), reverse=True
            )
        return RunPage(runs=admitted[offset : offset + limit], total=len(admitted))

    def get_run(self, key: str) -> Run:
        key, folders = self._folders(key)
        if self._runs[key].partial:
            self._take_up(folders)
        with self._lock:
            return self._runs[key]

    def histories(self, keys: Collection[str], metrics: Collection[str] | None = None) -> Mapping[str, History]:
        with self._lock:
            self._look()
            parts = self._parts()
            wanted = {key: ([known.folder for known in parts[key]], self._runs[key]) for key in keys if key in parts}
        return {
            key: self._digests.use(folders, lambda digests, run=run: _history(digests, metrics, run))  # type: ignore[misc]
            for key, (folders, run) in wanted.items()
        }

    def system_metrics(self, key: str) -> History:
        key, folders = self._folders(key)
        run = self._runs[key]

        def made(digests: Sequence[Digest]) -> History:
            return _joined([digest.system for digest in digests], None, run.revision, copied=_grow(digests))

        return self._digests.use(folders, made)

    def console(self, key: str, *, lines: int = MOST_LINES) -> Console:
        _, folders = self._folders(key)
        return self._digests.use(folders, lambda digests: run_files.console(digests, folders[-1].files, lines))

    def media(self, key: str, *, limit: int = MOST_MEDIA) -> Sequence[MediaItem]:
        _, folders = self._folders(key)
        return self._digests.use(
            folders, lambda digests: [item for digest in digests for item in digest.media][-limit:]
        )

    def read_media(self, key: str, path: str) -> bytes:
        _, folders = self._folders(key)
        return run_files.read([folder.files for folder in reversed(folders)], path)

    def refresh(self) -> None:
        """Files are looked at each time."""

    def _look(self) -> None:
        """Take up what changed since the last look: only that is read."""
        if self._index is None:
            self._index = dict(self._cache.load_index())
        found = {folder.log: folder for folder in run_folders(self._roots)}
        changed = self._known.keys() != found.keys()
        for log in self._known.keys() - found.keys():
            del self._known[log]
            self._digests.forget(log)
        with no_collection():
            for log, folder in found.items():
                known = self._known.get(log)
                if known is None or known.folder.state != folder.state:
                    self._known[log] = _Known(folder, self._first_look(folder))
                    changed = True
                elif known.folder != folder:
                    known.folder = folder  # it was synced
        self._as_of = datetime.now(UTC)
        self._assemble()
        if changed:
            self._save_index()

    def _first_look(self, folder: RunFolder) -> Told:
        """Of a log that is new or changed: from the index, by reading on, or by a glance at a large one."""
        assert self._index is not None  # noqa: S101 - `_look` has loaded it
        indexed = self._index.get(folder.log)
        if indexed is not None and indexed[0] == folder.state:
            return indexed[1]
        try:
            if self._digests.holds(folder.log) or folder.state.size <= SMALL:
                digest, whole = self._digests.read_on(folder)
                return told_by(digest, partial=not whole)
            return told_by(glance(folder.log, folder.state), partial=True)
        except OSError:
            return told_by(Digest(), partial=True)

    def _complete_some(self) -> None:
        """Read on in runs that were only glanced at, newest first, for as long as a list may take."""
        until = time.thread_time() + _COMPLETED_AT_ONCE
        partial = [known for known in self._known.values() if known.told["partial"] and known.told["version"] == 0]
        completed = False
        for known in sorted(partial, key=lambda known: known.folder.began, reverse=True):
            before = -1
            while time.thread_time() < until and known.told["partial"]:
                with suppress(OSError):
                    digest, whole = self._digests.read_on(known.folder)
                    if whole:
                        known.told, completed = told_by(digest, partial=False), True
                    elif digest.offset > before:
                        before = digest.offset
                        continue
                break  # a record longer than a slice, or a file that cannot be read: when somebody asks for it
        if completed:
            self._assemble()
            self._save_index(at_once=not any(known.told["partial"] for known in partial))

    def _take_up(self, folders: Sequence[RunFolder]) -> None:
        """Make what is told of these logs whole. Raises `StoreError`."""
        told = self._digests.use(folders, lambda digests: [told_by(digest, partial=False) for digest in digests])
        with self._lock:
            for folder, whole in zip(folders, told, strict=True):
                known = self._known.get(folder.log)
                if known is not None and known.folder.state == folder.state:
                    known.told = whole
            self._assemble()

    def _parts(self) -> dict[str, list[_Known]]:
        """The logs of each run, oldest first. One that does not say its project yet belongs to the run with its id."""
        oldest_first = sorted(self._known.values(), key=lambda known: (known.folder.began, known.folder.path))
        projects: dict[str, set[str]] = {}
        for known in oldest_first:
            if project := known.told["head"].get("project"):
                projects.setdefault(known.folder.run_id, set()).add(project)
        parts: dict[str, list[_Known]] = {}
        for known in oldest_first:
            run_id = known.folder.run_id
            others = projects.get(run_id, set())
            project = known.told["head"].get("project") or (next(iter(others)) if len(others) == 1 else NO_PROJECT)
            parts.setdefault(run_key(project, run_id), []).append(known)
        return parts

    def _assemble(self) -> None:
        """Make the runs; one that did not change stays the object that it was."""
        now = time.time()
        runs: dict[str, Run] = {}
        for key, parts in self._parts().items():
            pairs = [(known.folder, known.told) for known in parts]
            alive = self._alive(pairs[-1][0].run_id)
            state = state_of(pairs, now=now, alive=alive)
            before = self._runs.get(key)
            if before is not None and before.revision == revision_of(pairs, before.state) and before.state is state:
                runs[key] = before
            else:
                runs[key] = run_of(pairs, now=now, alive=alive)
        self._runs = runs

    def _save_index(self, *, at_once: bool = False) -> None:
        """Now and then, and when all is read: what is not in it yet is read again by the next process."""
        if not at_once and time.monotonic() - self._saved_at < _SAVED_EVERY:
            return
        self._index = {log: (known.folder.state, known.told) for log, known in self._known.items()}
        self._cache.save_index(self._index)
        self._saved_at = time.monotonic()

    def _key(self, key: str) -> str:
        if key in self._runs:
            return key
        having = [run.key for run in self._runs.values() if run.id == key]
        if len(having) == 1:
            return having[0]
        if having:
            raise NotFoundError(f"{len(having)} runs have the id '{key}'.", hint=f"Name one of {', '.join(having)}.")
        raise NotFoundError(f"Run '{key}' is not known.", hint="`python -m backend runs list` shows what there is.")

    def _folders(self, key: str) -> tuple[str, list[RunFolder]]:
        """The whole key, and the folders of the run as they are now, oldest first."""
        with self._lock:
            self._look()
            key = self._key(key)
            return key, [known.folder for known in self._parts()[key]]


def _history(digests: Sequence[Digest], metrics: Collection[str] | None, run: Run) -> History:
    return _joined([digest.history for digest in digests], metrics, run.revision, copied=_grow(digests))


def _grow(digests: Sequence[Digest]) -> bool:
    return digests[-1].exit_code is None


def _joined(parts: Sequence[Columns], metrics: Collection[str] | None, revision: str, *, copied: bool) -> History:
    """The rows of all parts behind each other; as they are where there is one part, and it grows no more.

    An array that somebody looks into cannot grow: of a run that goes on, everybody gets a copy.
    """
    saying = [part for part in parts if part.steps]
    names = sorted({name for part in saying for name in part.columns if metrics is None or name in metrics})
    if len(saying) == 1 and not copied:
        (only,) = saying
        columns = {name: only.columns[name] for name in names}
        steps, times = only.steps, only.times
    else:
        steps, times, columns = array("q"), array("d"), {name: array("d") for name in names}
        for part in saying:
            steps.extend(part.steps)
            times.extend(part.times)
            for name in names:
                columns[name].extend(part.columns.get(name) or array("d", [float("nan")]) * len(part.steps))
    begins, row = [], 0
    for part in saying:
        begins.append(row)
        row += len(part.steps)
    not_numbers = {name: sum(part.not_numbers.get(name, 0) for part in saying) for name in names}
    return History(
        steps=steps,
        times=times,
        columns=columns,
        segments=tuple(begins),
        not_numbers={name: count for name, count in not_numbers.items() if count},
        revision=revision,
    )


def _conforms(reader: OfflineRuns) -> RunReader:
    return reader
