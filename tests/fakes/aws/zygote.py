"""Launchers in milliseconds: one process that has imported the SageMaker SDK, and forks for every launch.

`python -m tests.fakes.aws.zygote` reads a JSON line for each launch from standard input: {"name": ..., "environment":
{...}, "log": ...}, and ends all that still run at "end". Each fork is what `backend.adapters.sagemaker.spawn` starts,
without the three seconds of imports.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import botocore.loaders
import jsonschema

_END = "end"
_ENDED = "ended\n"


class Zygote:
    """The handle of that process."""

    def __init__(self) -> None:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "AWS_DEFAULT_REGION": "eu-west-1"}
        command = [sys.executable, "-m", "tests.fakes.aws.zygote"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True)

    def starting(self, folder: Path, environment: Mapping[str, str]) -> Callable[[str], None]:
        """As `spawn.start_launcher`."""

        def start(name: str) -> None:
            log = folder / "jobs" / name / "launcher.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            assert self._process.stdin is not None
            line = {"name": name, "environment": dict(environment), "log": str(log)}
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()

        return start

    def end_all(self) -> None:
        """No launch outlives its test: it would tell the next one's account of a job with the same name."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(_END) + "\n")
        self._process.stdin.flush()
        assert _ENDED in iter(self._process.stdout.readline, "")

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()


def main() -> None:
    import sagemaker.core.image_uris
    import sagemaker.core.training.configs
    import sagemaker.train
    import sagemaker.train.tuner

    from backend.adapters.sagemaker import launcher
    from backend.adapters.sagemaker.session import Account, Aws

    _be_quick()
    assert sagemaker.train.ModelTrainer and sagemaker.core.training.configs and sagemaker.core.image_uris
    running: set[int] = set()
    for line in sys.stdin:
        running -= _reaped()
        wanted = json.loads(line)
        if wanted == _END:
            for launch in running:
                os.kill(launch, signal.SIGKILL)
                os.waitpid(launch, 0)
            running.clear()
            print(_ENDED, end="", flush=True)
            continue
        if launch := os.fork():
            running.add(launch)
        else:
            os.setsid()
            log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.environ.update(wanted["environment"])
            _tell_lookups()
            launcher.launch(wanted["name"], Aws(Account.from_environ(os.environ)))
            for thread in set(threading.enumerate()) - {threading.main_thread()}:
                thread.join(3)  # who would talk behind our back is heard
            os._exit(0)


def _be_quick() -> None:
    """Every boto3 session reads megabytes of service models again: here all have one loader, filled before the fork."""
    loader = botocore.loaders.create_loader()
    botocore.loaders.create_loader = lambda *_: loader
    # The SDK checks one small configuration against its schema, and the schema too, nine times per launch: a second.
    jsonschema.validate = lambda *_, **__: None
    for service in ("sagemaker", "s3", "sts", "iam"):
        for kind in ("service-2", "paginators-1", "endpoint-rule-set-1"):
            loader.load_service_model(service, kind)


def _tell_lookups() -> None:
    """Every host that is looked up goes to the log: telemetry would show there."""
    resolve = socket.getaddrinfo

    def telling(host: Any, *args: Any, **options: Any) -> Any:
        print(f"[lookup] {host}", flush=True)
        return resolve(host, *args, **options)

    socket.getaddrinfo = telling


def _reaped() -> set[int]:
    """The launches that have ended since it was asked last."""
    ended: set[int] = set()
    with suppress(ChildProcessError):
        while launch := os.waitpid(-1, os.WNOHANG)[0]:
            ended.add(launch)
    return ended


if __name__ == "__main__":
    main()
