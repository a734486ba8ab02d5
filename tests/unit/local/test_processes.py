from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backend.adapters.local.processes import FileLock, LockHeldError, is_held, reap, spawn_detached
from tests.contract.training_platforms import wait_until

HOLDER = "import os, sys, time; print('ready', flush=True); time.sleep(60)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "lock"


def test_a_lock_is_held_once(path: Path) -> None:
    assert not is_held(path)
    with FileLock.acquire(path):
        assert is_held(path)
        with pytest.raises(LockHeldError):
            FileLock.acquire(path)
    assert not is_held(path)


def test_looking_does_not_take_it(path: Path) -> None:
    FileLock.acquire(path).release()
    assert not is_held(path)
    FileLock.acquire(path).release()


def test_the_child_holds_it_until_it_is_killed(path: Path, tmp_path: Path) -> None:
    lock = FileLock.acquire(path)
    pid = spawn_detached([sys.executable, "-c", HOLDER], lock=lock, log=tmp_path / "log", env=dict(os.environ))
    assert is_held(path)
    assert os.getsid(pid) == pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_held(path), 2)
    reap()
    assert not Path(f"/proc/{pid}").exists()


def test_what_the_child_starts_does_not_hold_it(path: Path, tmp_path: Path) -> None:
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {HOLDER!r}]); print('up', flush=True)"
    log = tmp_path / "log"
    pid = spawn_detached([sys.executable, "-c", code], lock=FileLock.acquire(path), log=log, env=dict(os.environ))
    wait_until(lambda: log.read_bytes().count(b"ready") == 1)
    wait_until(lambda: not is_held(path))  # its parent ends about now; what it started goes on for a minute
    os.killpg(pid, signal.SIGKILL)


def test_a_child_told_so_dies_with_its_parent(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import subprocess, sys, time\n"
        "from backend.adapters.local.processes import die_with_parent\n"
        f"child = subprocess.Popen([sys.executable, '-c', {HOLDER!r}], preexec_fn=die_with_parent)\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert parent.stdout.readline() == "ready\n"
    parent.kill()
    parent.wait()
    wait_until(lambda: not alive(child), 3)
    parent.stdout.close()
    assert not log.exists()


def alive(pid: int) -> bool:
    """Whether the process runs; an ended one that nobody has collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
