"""Starting launchers: processes of their own, that no closing of a dashboard ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

_running: list[subprocess.Popen[bytes]] = []


def start_launcher(folder: Path, environment: Mapping[str, str]) -> Callable[[str], None]:
    """What starts the launcher of a job; its log is in `jobs/<name>/launcher.log` of the state folder."""

    def start(name: str) -> None:
        _running[:] = [process for process in _running if process.poll() is None]
        log = folder / "jobs" / name / "launcher.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "backend.adapters.sagemaker.launcher", name],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                start_new_session=True,
            )
        _running.append(process)

    return start
