"""Tuning on this machine: a row in the database, and a detached process that launches trials into the queue."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from backend.adapters.local.home import Home
from backend.adapters.local.job_output import read_log
from backend.adapters.local.job_store import JobStore
from backend.adapters.local.processes import FileLock, LockHeldError, is_held, reap, spawn_detached
from backend.adapters.local.training import TRAINER, LocalTraining, hand_over
from backend.adapters.local.tuning_store import TuningStore
from backend.domain.jobs import JobStatus, LogChunk
from backend.domain.tuning import StopMode, TuningJob, TuningRequest
from backend.errors import InvalidInputError, NotFoundError, WrongStateError
from backend.ports.training import NO_CHANNELS, Channel
from backend.ports.tuning import TuningPlatform

DEAD_RUNNER: Final = (
    "Its process died: it was killed, the disk was full, or the machine restarted. The finished trials are kept."
)


class LocalTuning:
    """`TuningPlatform` on this machine; its trials run on `training`."""

    def __init__(
        self,
        store: TuningStore,
        jobs: JobStore,
        training: LocalTraining,
        home: Home,
        *,
        slots: int,
        environment: Mapping[str, str],
        trainer: str = TRAINER,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._training = training
        self._home = home
        self._slots = slots
        self._environment = environment
        self._trainer = trainer

    def submit(self, request: TuningRequest, channels: Mapping[str, Channel] = NO_CHANNELS) -> TuningJob:
        if request.resumed_from:
            self._require_resumable(request.resumed_from)
        if request.warm_start_from:
            self._store.get(request.warm_start_from)
        folder = self._home.job(request.name)
        try:
            lock = FileLock.acquire(folder.lock)
        except LockHeldError:
            return self._same_request(request)
        with lock:
            if not self._store.insert(request, datetime.now(UTC)):
                return self._store.by_key(request.key)
            command = [sys.executable, "-m", "backend.adapters.local.tuning_runner"]
            command += ["--home", str(self._home.root), "--job", request.name]
            command += ["--slots", str(self._slots), "--trainer", self._trainer]
            try:
                hand_over(self._home, channels, folder, request.resumed_from)
                spawn_detached(command, lock=lock, log=folder.log, env=self._environment)
            except OSError as error:
                reason = f"The tuning job could not be started: {error}."
                self._store.move(request.name, JobStatus.FAILED, failure_reason=reason, ended_at=datetime.now(UTC))
        return self._store.get(request.name)

    def _require_resumable(self, name: str) -> None:
        status = self.describe(name).status
        if status not in (JobStatus.FAILED, JobStatus.STOPPED):
            raise WrongStateError(
                f"Tuning job '{name}' cannot be resumed: it is {status.value}.",
                hint="Only a failed or stopped job is resumed; clone another one.",
            )

    def _same_request(self, request: TuningRequest) -> TuningJob:
        """The lock is held: the name belongs to a live job, perhaps to the very one that is asked for again."""
        try:
            return self._store.by_key(request.key)
        except NotFoundError:
            raise InvalidInputError(f"Job name '{request.name}' is taken.", hint="Choose another name.") from None

    def describe(self, name: str) -> TuningJob:
        self._refresh()
        return self._store.get(name)

    def list_jobs(self) -> Sequence[TuningJob]:
        self._refresh()
        return self._store.newest_first()

    def stop(self, name: str, mode: StopMode) -> TuningJob:
        self._refresh()
        self._store.request_stop(name, mode)
        return self._store.get(name)

    def read_log(self, name: str, offset: int = 0, limit: int = 262_144) -> LogChunk:
        self._store.get(name)
        return read_log(self._home.job(name).log, offset, limit)

    def importance(self, name: str) -> Mapping[str, float]:
        from backend.adapters.local.tuning_search import importance  # Optuna: only for who asks

        job = self._store.get(name)
        return importance(job.request, job.trials)

    def _refresh(self) -> None:
        """Make every unfinished job whose process is gone `Failed`, and end the trials that it left behind."""
        reap()
        self._training.refresh()
        for name in self._store.unfinished():
            if is_held(self._home.job(name).lock):
                continue
            for trial in self._jobs.unfinished_trials(name):
                with suppress(WrongStateError):  # it has just ended by itself
                    self._jobs.request_stop(trial)
            self._store.move(name, JobStatus.FAILED, failure_reason=DEAD_RUNNER, ended_at=datetime.now(UTC))


def _conforms(adapter: LocalTuning) -> TuningPlatform:
    return adapter
