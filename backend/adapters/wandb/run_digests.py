"""Digests of logs, held in memory and on disk: each byte of a log is read once."""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, TypeVar

from backend.adapters.wandb.log_format import FileState
from backend.adapters.wandb.run_cache import RunCache
from backend.adapters.wandb.run_digest import Digest
from backend.adapters.wandb.run_folders import RunFolder
from backend.errors import StoreError

Made = TypeVar("Made")

SLICE: Final = 256 * 1024
"""Bytes of a log between two moments in which others may read theirs: about ten milliseconds."""
_MOST_MEMORY: Final = 192 * 2**20
"""Bytes of columns held in memory."""
_LEAST_HELD: Final = 8
_SAVED_FROM: Final = 64 * 1024
"""Bytes of a log whose digest is worth a file."""


class Digests:
    """May be asked from several threads; nobody waits for a long log that somebody else opens."""

    def __init__(self, cache: RunCache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._held: OrderedDict[str, tuple[FileState, Digest]] = OrderedDict()

    def holds(self, log: str) -> bool:
        return log in self._held

    def forget(self, log: str) -> None:
        with self._lock:
            self._held.pop(log, None)

    def whole(self, folder: RunFolder) -> Digest:
        """Everything that the log says. Raises `StoreError` when it cannot be read."""
        most = SLICE
        try:
            while True:
                before = self._offset(folder)
                digest, whole = self.read_on(folder, most=most)
                if whole:
                    return digest
                if digest.offset == before:
                    most *= 2  # a record that is longer than the slice
        except OSError as error:
            raise StoreError(
                f"'{folder.log}' cannot be read: {error.strerror or error}.",
                hint="Look at the file's permissions and at the disk.",
            ) from error

    def read_on(self, folder: RunFolder, *, most: int = SLICE) -> tuple[Digest, bool]:
        """What is known of the log and `most` bytes more, and whether that is all. Raises `OSError`."""
        with self._lock, no_collection():
            held = self._held.get(folder.log)
            if held is not None and held[0] == folder.state:
                self._held.move_to_end(folder.log)
                return held[1], True
            digest = self._to_go_on_with(folder, held)
            before = digest.offset
            if not digest.read(folder.log, folder.state, most=most):
                digest = Digest()
                before = digest.offset
                digest.read(folder.log, folder.state, most=most)
            whole = before + most >= folder.state.size
            if whole and folder.state.size >= _SAVED_FROM:
                self._cache.save(folder.log, folder.state, digest)
            # Not yet whole: a state that the file never has, so that the next look reads on.
            state = folder.state if whole else replace(folder.state, size=digest.offset, mtime_ns=0)
            self._held[folder.log] = (state, digest)
            self._held.move_to_end(folder.log)
            self._forget_some()
            return digest, whole

    def _to_go_on_with(self, folder: RunFolder, held: tuple[FileState, Digest] | None) -> Digest:
        """What was read of this file before, as it seems, else a new digest."""
        if held is not None and held[0].inode == folder.state.inode and held[0].size <= folder.state.size:
            # The columns of a run that has ended were handed out as they are: should anybody write to it all the same,
            # which W&B never does, it is read anew.
            return held[1] if held[1].exit_code is None else Digest()
        return self._cache.load(folder.log, folder.state) or Digest()

    def use(self, folders: Sequence[RunFolder], make: Callable[[list[Digest]], Made]) -> Made:
        """What `make` makes of the whole digests, which do not grow meanwhile. Raises `StoreError`."""
        digests = [self.whole(folder) for folder in folders]
        with self._lock:
            return make(digests)

    def _offset(self, folder: RunFolder) -> int:
        held = self._held.get(folder.log)
        return held[1].offset if held is not None else 0

    def _forget_some(self) -> None:
        size = sum(_size(digest) for _, digest in self._held.values()) if len(self._held) > _LEAST_HELD else 0
        while size > _MOST_MEMORY and len(self._held) > _LEAST_HELD:
            _, (_, gone) = self._held.popitem(last=False)
            size -= _size(gone)


def _size(digest: Digest) -> int:
    rows = (digest.history, digest.system)
    return sum(8 * len(part.steps) * (2 + len(part.columns)) for part in rows)


@contextmanager
def no_collection() -> Iterator[None]:
    """Millions of small objects come and go while a log is read, and none of them in a cycle."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
