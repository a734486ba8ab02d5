"""Training on this machine: a row in the database and a detached runner process for every job."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from backend.adapters.local.detached_jobs import Launcher, require_resumable
from backend.adapters.local.home import Home, JobFolder
from backend.adapters.local.job_output import read_log
from backend.adapters.local.job_runner import fail_dead_jobs
from backend.adapters.local.job_store import JobStore
from backend.adapters.local.processes import reap
from backend.domain.capabilities import Feature, Unsupported, require
from backend.domain.freshness import NOW, Freshness
from backend.domain.jobs import Compute, JobStatus, LogChunk, MetricPoint, Outlook, TrainingJob, TrainingRequest
from backend.errors import NotFoundError, WrongStateError
from backend.ports.training import NO_CHANNELS, Channel, TrainingPlatform

TRAINER: Final = "backend.digits.train"
UNSUPPORTED: Final[Unsupported] = {
    Feature.COMPUTE: "Jobs run on this machine: there are no instances, spot capacity or time limits to choose.",
}


class LocalTraining:
    """`TrainingPlatform` on this machine; for the arguments see `Launcher`."""

    def __init__(
        self, store: JobStore, home: Home, *, slots: int, environment: Mapping[str, str], trainer: str = TRAINER
    ) -> None:
        self._store = store
        self._home = home
        self._launcher = Launcher(home, slots=slots, environment=environment, trainer=trainer)

    @property
    def unsupported(self) -> Unsupported:
        return UNSUPPORTED

    def freshness(self) -> Freshness:
        return NOW

    def outlook(self, compute: Compute, instances: int = 1) -> Outlook:
        return Outlook()  # what has no slot waits

    def submit(self, request: TrainingRequest, channels: Mapping[str, Channel] = NO_CHANNELS) -> TrainingJob:
        if request.compute != Compute():
            require(Feature.COMPUTE, self.unsupported)
        origin = request.resumed_from
        if origin:
            require_resumable("Training", origin, self.describe(origin).status)

        def prepare(folder: JobFolder) -> None:
            hand_over(self._home, channels, folder, origin or request.tuning_job)
            if origin:
                _copy_checkpoints(self._home.job(origin).checkpoints, folder.checkpoints)

        runner = "backend.adapters.local.job_runner"
        return self._launcher.submit(self._store, request, runner, prepare, log=self._home.job(request.name).runner_log)

    def describe(self, name: str) -> TrainingJob:
        self.refresh()
        return self._store.get(name)

    def list_jobs(self) -> Sequence[TrainingJob]:
        self.refresh()
        return self._store.newest_first()

    def refresh(self) -> None:
        """Make every job whose runner is gone `Failed`."""
        reap()
        fail_dead_jobs(self._store, self._home)

    def stop(self, name: str) -> TrainingJob:
        self.refresh()
        self._store.request_stop(name)
        return self._store.get(name)

    def read_log(self, name: str, offset: int = 0, limit: int = 262_144) -> LogChunk:
        self._store.get(name)
        return read_log(self._home.job(name).log, offset, limit)

    def metric_points(self, name: str, after: int = -1) -> Sequence[MetricPoint]:
        self._store.get(name)
        return self._store.points(name, after)

    def fetch_archive(self, job: TrainingJob) -> Path:
        return self._fetch(job, self._home.job(job.name).archive)

    def fetch_output(self, job: TrainingJob) -> Path:
        return self._fetch(job, self._home.job(job.name).output_archive)

    @staticmethod
    def _fetch(job: TrainingJob, path: Path) -> Path:
        if job.status is not JobStatus.COMPLETED:
            raise WrongStateError(f"Training job '{job.name}' has no archive: it is {job.status.value}.")
        if not path.is_file():
            raise NotFoundError(f"'{path.name}' of job '{job.name}' is gone: '{path}' does not exist.")
        return path


def hand_over(home: Home, channels: Mapping[str, Channel], folder: JobFolder, origin: str) -> None:
    """Put the files of `channels` into the job's folder; without any, those that the job `origin` had."""
    for channel, files in channels.items():
        (folder.input_data / channel).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder.input_data / channel / name).write_bytes(content)
    if origin and not channels and (source := home.job(origin).input_data).is_dir():
        shutil.copytree(source, folder.input_data, dirs_exist_ok=True)


def _copy_checkpoints(source: Path, target: Path) -> None:
    """The trainer reads the newest whole one; the job that it came from keeps its own."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.partial"), dirs_exist_ok=True)


def _conforms(adapter: LocalTraining) -> TrainingPlatform:
    return adapter
