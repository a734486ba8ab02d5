"""Uploading recorded runs with `wandb sync`, whose exit code is 0 whatever happened: the server is asked afterwards."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final

from backend.adapters.local.processes import FileLock, LockHeldError, die_with_parent
from backend.adapters.wandb.client_environment import client_environment
from backend.adapters.wandb.cloud_process import CloudProcess
from backend.adapters.wandb.cloud_trouble import Asked, CloudTroubleError, explained
from backend.adapters.wandb.secrets import scrubbed
from backend.domain.run_sync import SyncedRun
from backend.domain.tracking import Run
from backend.errors import DigitsError, NotFoundError, WorkFailedError, WrongStateError
from backend.ports.run_sync import RunUploads

_HEADER_BYTES: Final = 7
"""A file that is no longer holds no record; `wandb sync` chokes on it."""
_SHOWN_SECONDS: Final = 30.0
"""A server may show some time later what it has taken."""
_ASK_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.25
_LOUD: Final = re.compile(r"error|failed|fatal", re.IGNORECASE)
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


class WandbUploads:
    """`RunUploads` to the server that the reading process reads from. `process` is None without a key."""

    def __init__(
        self, process: CloudProcess | None, asked: Asked, *, environ: Mapping[str, str], key: str, lock: Path
    ) -> None:
        self._process = process
        self._asked = asked
        self._environ = environ
        self._key = key
        self._lock = lock

    def refusal(self) -> str:
        return "" if self._process is not None else "WANDB_API_KEY is not set: there is no server to sync to."

    @contextmanager
    def hold(self) -> Iterator[None]:
        try:
            lock = FileLock.acquire(self._lock)
        except LockHeldError:
            raise WrongStateError("Another sync is running on this machine.", hint="Wait for it to end.") from None
        with lock:
            yield

    def check(self) -> None:
        self._ask("check", entity=self._asked.entity, project=self._asked.project)

    def upload(self, run: Run, *, seconds: float, tell: Callable[[str], None]) -> SyncedRun:
        files = [file for folder in run.folders for file in sorted(Path(folder).glob("run-*.wandb"))]
        whole = [file for file in files if file.stat().st_size > _HEADER_BYTES]
        if not whole:
            raise WrongStateError(f"Run '{run.key}' cannot be synced: its files hold no record.")
        marks = [file.with_suffix(".wandb.synced") for file in whole]
        if (already := self._already(run, len(whole))) is not None:
            for mark in marks:
                mark.touch()
            return already
        # wandb marks a file as synced when it believes that it was; whoever looks later believes the mark.
        new = [mark for mark in marks if not mark.exists()]
        try:
            said = self._sync(run, whole, seconds, tell)
            tell("asking W&B whether all has arrived")
            return self._seen(run, len(whole), said)
        except BaseException:
            for mark in new:
                mark.unlink(missing_ok=True)
            raise

    def _already(self, run: Run, parts: int) -> SyncedRun | None:
        """The run as the server has it, if that is all: sent again, its rows would be appended to those there are."""
        try:
            found = self._found(run)
        except NotFoundError:
            return None
        return None if _missing(run, parts, found) else _synced(run, found)

    def _sync(self, run: Run, files: Sequence[Path], seconds: float, tell: Callable[[str], None]) -> str:
        """What the command said when it ended; raises `WorkFailedError` when it does not end in time."""
        entity = ["--entity", entity] if (entity := run.entity or self._asked.entity) else []
        command = [sys.executable, "-m", "wandb", "sync", "--include-online", "--include-synced", *entity]
        with tempfile.TemporaryDirectory(prefix="digits-wandb-", ignore_cleanup_errors=True) as scratch:
            environment = client_environment(
                self._environ,
                key=self._key,
                base_url=self._asked.base_url,
                entity=self._asked.entity,
                scratch=scratch,
            )
            with (Path(scratch) / "output").open("w+b") as output:
                process = subprocess.Popen(
                    [*command, *map(str, files)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**environment, **_GIVES_UP},
                    cwd=scratch,
                    start_new_session=True,
                    preexec_fn=die_with_parent,
                )
                try:
                    self._wait(process, run, seconds, tell)
                finally:
                    _end(process)
                return _said(output)

    @staticmethod
    def _wait(process: subprocess.Popen[bytes], run: Run, seconds: float, tell: Callable[[str], None]) -> None:
        begun, told = time.monotonic(), 0
        while process.poll() is None:
            gone = time.monotonic() - begun
            if gone > seconds:
                raise WorkFailedError(
                    f"Run '{run.key}' was not uploaded within {seconds:.0f} s.",
                    hint="Try again; for a large run or a slow line, `runs sync NAME --timeout SECONDS`.",
                )
            if int(gone) > told:
                told = int(gone)
                tell(f"uploading, {told} s")
            time.sleep(_POLL_SECONDS)

    def _seen(self, run: Run, parts: int, said: str) -> SyncedRun:
        """What the server has; raises `WorkFailedError` when that is not the whole run."""
        deadline = time.monotonic() + _SHOWN_SECONDS
        while True:
            try:
                found = self._found(run)
                missing = _missing(run, parts, found)
            except DigitsError as error:
                found, missing = {}, error.message
            if not missing:
                return _synced(run, found)
            if said or time.monotonic() > deadline:
                because = f" wandb said: {said}" if said else ""
                raise WorkFailedError(f"Run '{run.key}' is not whole on W&B: {missing}{because}", hint="Try again.")
            time.sleep(1)

    def _found(self, run: Run) -> Mapping[str, Any]:
        project, entity = run.project or self._asked.project, run.entity or self._asked.entity
        found: Mapping[str, Any] = self._ask("run", entity=entity, project=project, run=run.id)
        return found

    def _ask(self, what: str, **parameters: Any) -> Any:
        if self._process is None:
            raise WrongStateError(self.refusal())
        try:
            return self._process.ask(what, seconds=_ASK_SECONDS, **parameters)
        except CloudTroubleError as error:
            raise explained(error.trouble, replace(self._asked, run=str(parameters.get("run", "")))) from error


_GIVES_UP: Final = {
    # W&B's own limits keep trying for days, with a page that waits.
    "WANDB_X_FILE_STREAM_RETRY_MAX": "4",
    "WANDB_X_FILE_STREAM_RETRY_WAIT_MAX_SECONDS": "5",
    "WANDB_X_FILE_TRANSFER_RETRY_MAX": "4",
    "WANDB_X_FILE_TRANSFER_RETRY_WAIT_MAX_SECONDS": "5",
}


def _missing(run: Run, parts: int, found: Mapping[str, Any]) -> str:
    """What the server lacks of the run, in words; empty when it has all."""
    if found["last_step"] < run.last_step:
        return f"it has step {found['last_step']:,} as the last, recorded was {run.last_step:,}."
    # The rows of a resumed run lie on the same steps again, and the server keeps one of them.
    if parts == 1 and run.rows is not None and found["rows"] is not None and found["rows"] < run.rows:
        return f"it has {found['rows']:,} of {run.rows:,} rows."
    return f"it takes the run for {found['state']}." if found["state"] == "running" else ""


def _synced(run: Run, found: Mapping[str, Any]) -> SyncedRun:
    more = run.rows is not None and found["rows"] is not None and found["rows"] > run.rows
    return SyncedRun(
        url=found["url"],
        last_step=found["last_step"],
        rows=found["rows"],
        notice=f"Recorded were {run.rows:,}: an upload that was cut off has left some twice." if more else "",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """wandb-core, which it started, ends when it does."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _said(output: IO[bytes]) -> str:
    """The lines in which the command complains, shortened: it complains nowhere else."""
    output.seek(0)
    lines = _COLOURS.sub("", output.read().decode("utf-8", errors="replace")).splitlines()
    return scrubbed(" ".join(line.removeprefix("wandb: ").strip() for line in lines if _LOUD.search(line)))[:300]


def _conforms(adapter: WandbUploads) -> RunUploads:
    return adapter
