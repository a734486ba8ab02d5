"""Detached processes that own a lock while they live.

The lock is `flock(2)` on a file: the kernel gives it back when the last descriptor of its open file description closes,
so a process killed with SIGKILL, or a reboot, frees it at once, and a reused process id can never be mistaken for the
old process. The parent takes the lock before it spawns the child and hands it over as a descriptor: there is no moment
in which the work exists and nobody holds it. Descriptors are close-on-exec unless handed over by name, so what the
child starts in turn does not keep the lock alive.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

_PR_SET_PDEATHSIG = 1
_LOCK_FD = "DIGITS_LOCK_FD"


class LockHeldError(Exception):
    """Another process holds the lock."""


class FileLock:
    """A lock on `path`, held until `release` or the end of the process."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._released = False

    @classmethod
    def acquire(cls, path: Path, *, shared: bool = False) -> Self:
        """Take the lock now or raise `LockHeldError`; creates the file and its folder.

        A shared one keeps out whoever wants it alone, and does not count as held (`is_held`).
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise LockHeldError(str(path)) from None
        return cls(fd)

    @classmethod
    def inherited(cls) -> Self:
        """The lock that the parent handed to this process in `spawn_detached`."""
        fd = int(os.environ.pop(_LOCK_FD))
        os.set_inheritable(fd, False)
        return cls(fd)

    @staticmethod
    def is_inherited() -> bool:
        """Whether this process was started by `spawn_detached`, with a lock in its hands."""
        return _LOCK_FD in os.environ

    def release(self) -> None:
        """Give this process's hold back; a child that was handed the lock keeps it. Releasing twice is fine."""
        if not self._released:
            self._released = True
            os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_held(path: Path) -> bool:
    """Whether some live process holds the lock alone.

    Probes with a shared lock, so that two probes at once do not take each other for the holder.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def spawn_detached(
    argv: Sequence[str], *, lock: FileLock, log: Path, env: Mapping[str, str], stdout: Path | None = None
) -> int:
    """Start `argv` in a session of its own, hand it `lock`, append its output to `log`; returns its process id.

    Closing the terminal or the dashboard does not reach it. The caller's copy of the lock is released.
    """
    with log.open("ab") as err, (stdout or log).open("ab") as out:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**env, _LOCK_FD: str(lock.fd)},
            pass_fds=(lock.fd,),
            start_new_session=True,
        )
    lock.release()
    _unreaped.append(process)
    return process.pid


_unreaped: list[subprocess.Popen[bytes]] = []


def reap() -> None:
    """Collect children that ended, so that a long-lived parent (the dashboard) keeps no zombies."""
    _unreaped[:] = [process for process in _unreaped if process.poll() is None]


def die_with_parent() -> None:
    """For `preexec_fn`: the kernel kills this process when the one that started it dies (Linux `PR_SET_PDEATHSIG`).

    The parent may already be gone by now; then nobody will send the signal and the process ends itself.
    """
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent or parent == 1:
        os._exit(1)
