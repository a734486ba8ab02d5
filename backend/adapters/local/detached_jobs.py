"""What training and tuning jobs have in common here: a row, a lock, and a detached process that holds it."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from backend.adapters.local.database import Database
from backend.adapters.local.home import Home, JobFolder
from backend.adapters.local.processes import FileLock, LockHeldError, spawn_detached
from backend.domain.jobs import JobStatus
from backend.errors import InvalidInputError, NotFoundError, WrongStateError


class Request(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def key(self) -> str: ...


class Job(Protocol):
    @property
    def status(self) -> JobStatus: ...


R = TypeVar("R", bound=Request, contravariant=True)
J = TypeVar("J", bound=Job, covariant=True)


class Mover(Protocol):
    def move(self, name: str, status: JobStatus, **values: Any) -> bool: ...


class Rows(Mover, Protocol[R, J]):
    """The table of one kind of job; `insert` is False when a job with the request's key is there."""

    def insert(self, request: R, now: datetime) -> bool: ...
    def get(self, name: str) -> J: ...
    def by_key(self, key: str) -> J: ...


class Launcher:
    """Starts the processes of jobs; their secrets travel in `environment` and nowhere else.

    `trainer` is the module that keeps the training container's contract, `slots` how many trainings run at once.
    """

    def __init__(self, home: Home, *, slots: int, environment: Mapping[str, str], trainer: str) -> None:
        self._home = home
        self._slots = slots
        self._environment = environment
        self._trainer = trainer

    def submit(
        self, rows: Rows[R, J], request: R, module: str, prepare: Callable[[JobFolder], None], *, log: Path
    ) -> J:
        """Insert the job and start `module` for it, or return the job that was made for the same key before.

        `prepare` fills the job's folder. Raises `InvalidInputError` when the name is another job's.
        """
        folder = self._home.job(request.name)
        try:
            lock = FileLock.acquire(folder.lock)
        except LockHeldError:
            # The name belongs to a live job, perhaps to the very one that is asked for again.
            try:
                return rows.by_key(request.key)
            except NotFoundError:
                raise InvalidInputError(f"Job name '{request.name}' is taken.", hint="Choose another name.") from None
        with lock:
            if not rows.insert(request, datetime.now(UTC)):
                return rows.by_key(request.key)
            command = [sys.executable, "-m", module, "--home", str(self._home.root), "--job", request.name]
            command += ["--slots", str(self._slots), "--trainer", self._trainer]
            try:
                prepare(folder)
                spawn_detached(command, lock=lock, log=log, env=self._environment)
            except OSError as error:
                _fail(rows, request.name, f"The job could not be started: {error}.")
        return rows.get(request.name)


def require_resumable(kind: str, name: str, status: JobStatus) -> None:
    """Raise `WrongStateError` unless the job of this kind ("Training", "Tuning") ended before it completed."""
    if status not in (JobStatus.FAILED, JobStatus.STOPPED):
        raise WrongStateError(
            f"{kind} job '{name}' cannot be resumed: it is {status.value}.",
            hint="Only a failed or stopped job is resumed; clone another one.",
        )


@dataclass(frozen=True, kw_only=True)
class Started:
    """What a job's process was told by its launcher."""

    home: Home
    database: Database
    job: str
    slots: int
    trainer: str


def be_process_of_job(rows_in: Callable[[Started], Mover], run: Callable[[Started], None]) -> None:
    """`main` of a job's process: `run` under the lock that was handed over; what it raises is the job's failure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--job", required=True)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--trainer", required=True, help="module that keeps the training container's contract")
    told = parser.parse_args()
    with FileLock.inherited():
        home = Home(told.home)
        started = Started(
            home=home, database=Database(home.database), job=told.job, slots=told.slots, trainer=told.trainer
        )
        try:
            run(started)
        except Exception as error:  # noqa: BLE001 - whatever went wrong in here is the job's failure, and must be said
            traceback.print_exc()
            _fail(rows_in(started), started.job, f"The job's runner failed: {type(error).__name__}: {error}")


def _fail(rows: Mover, name: str, reason: str) -> None:
    rows.move(name, JobStatus.FAILED, failure_reason=reason, ended_at=datetime.now(UTC))
