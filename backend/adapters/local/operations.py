"""Operations as detached `python -m backend ...` processes, each holding a lock while it lives."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from backend.adapters.local.home import Home
from backend.adapters.local.processes import FileLock, LockHeldError, is_held, reap, spawn_detached
from backend.domain.correlation import VARIABLE, correlated
from backend.errors import DigitsError, PlatformError, WrongStateError
from backend.ports.operations import Operations

_TAIL_BYTES: Final = 4_000


class LocalOperations:
    """`Operations` on this machine."""

    def __init__(self, home: Home, *, environment: Mapping[str, str]) -> None:
        self._home = home
        self._environment = environment

    def start(
        self, operation_id: str, verb: Sequence[str], *, attempt: int = 1, before: Callable[[], None] | None = None
    ) -> None:
        folder = self._home.operation(operation_id)
        try:
            lock = FileLock.acquire(folder / "lock")
        except LockHeldError:
            return
        with lock:
            marker = folder / f"started-{attempt}"
            try:
                # Made only by whoever starts the attempt: it tells one that has ended from one never started.
                marker.touch(exist_ok=False)
            except FileExistsError:
                return
            try:
                if before is not None:
                    before()
                with correlated() as correlation:  # what the process does belongs to who started it
                    spawn_detached(
                        [sys.executable, "-m", "backend", *verb],
                        lock=lock,
                        log=folder / "output.log",
                        stdout=folder / "answer",
                        env={**self._environment, VARIABLE: correlation},
                    )
            except OSError as error:
                marker.unlink(missing_ok=True)
                raise PlatformError(f"'{' '.join(verb)}' could not be started: {error}.") from error
            except DigitsError:
                marker.unlink(missing_ok=True)  # nothing was started: the next click may try again
                raise

    @contextmanager
    def joined(self, operation_id: str) -> Iterator[None]:
        if FileLock.is_inherited():
            yield  # this process was started as the operation, and holds its lock
            return
        try:
            lock = FileLock.acquire(self._home.operation(operation_id) / "lock")
        except LockHeldError:
            raise WrongStateError(
                f"Operation '{operation_id}' is running already.",
                hint="Wait for it to end; its record says how it goes.",
            ) from None
        with lock:
            yield

    def is_running(self, operation_id: str) -> bool:
        reap()
        return is_held(self._home.operation(operation_id) / "lock")

    def running(self) -> Sequence[str]:
        reap()
        return sorted(lock.parent.name for lock in self._home.root.glob("operations/*/lock") if is_held(lock))

    def answer(self, operation_id: str) -> str:
        file = self._home.operation(operation_id) / "answer"
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""

    def output(self, operation_id: str) -> str:
        log = self._home.operation(operation_id) / "output.log"
        if not log.is_file():
            return ""
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace")


def _conforms(adapter: LocalOperations) -> Operations:
    return adapter
