"""Tuning on this machine: a row in the database, and a detached process that launches trials into the queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from backend.adapters.local.detached_jobs import Launcher, require_resumable
from backend.adapters.local.home import Home, JobFolder
from backend.adapters.local.job_output import read_log
from backend.adapters.local.job_store import JobStore
from backend.adapters.local.processes import is_held, reap
from backend.adapters.local.training import TRAINER, LocalTraining, hand_over
from backend.adapters.local.tuning_store import TuningStore
from backend.domain.capabilities import Feature, Unsupported, require
from backend.domain.freshness import NOW, Freshness
from backend.domain.jobs import Compute, JobStatus, LogChunk
from backend.domain.tuning import StopMode, TuningJob, TuningRequest
from backend.errors import WrongStateError
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
        self._launcher = Launcher(home, slots=slots, environment=environment, trainer=trainer)

    @property
    def unsupported(self) -> Unsupported:
        return self._training.unsupported

    def freshness(self) -> Freshness:
        return NOW

    def submit(self, request: TuningRequest, channels: Mapping[str, Channel] = NO_CHANNELS) -> TuningJob:
        if request.compute != Compute():
            require(Feature.COMPUTE, self.unsupported)
        if request.resumed_from:
            require_resumable("Tuning", request.resumed_from, self.describe(request.resumed_from).status)
        if request.warm_start_from:
            self._store.get(request.warm_start_from)

        def prepare(folder: JobFolder) -> None:
            hand_over(self._home, channels, folder, request.resumed_from)

        runner = "backend.adapters.local.tuning_runner"
        return self._launcher.submit(self._store, request, runner, prepare, log=self._home.job(request.name).log)

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
