"""Searches on SageMaker: its own tuning jobs, launched by a child process through the SDK, read with boto3."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, Final

from backend.adapters.sagemaker import job_parse, tuning_parse
from backend.adapters.sagemaker.errors import LostRaceError, translating
from backend.adapters.sagemaker.job_files import channel_addresses, upload_channels
from backend.adapters.sagemaker.job_records import LAUNCH_LEASE, PREFIX, JobRecords, Launch, LaunchState, tuning_name
from backend.adapters.sagemaker.job_requests import Site, search
from backend.adapters.sagemaker.lookup import Lookup
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.session import PAGE, Aws
from backend.adapters.sagemaker.submitting import Start, Submitting
from backend.domain.capabilities import Feature, Unsupported, require
from backend.domain.freshness import NOW, Freshness
from backend.domain.jobs import JobKind, JobStatus, LogChunk
from backend.domain.tuning import StopMode, Trial, TuningJob, TuningRequest
from backend.errors import NotFoundError, WrongStateError
from backend.ports.training import NO_CHANNELS, Channel
from backend.ports.tuning import TuningPlatform

UNSUPPORTED: Final[Unsupported] = {
    Feature.QUEUE: "SageMaker starts every trial on machines of its own, within the account's quota.",
    Feature.DISTINCT_TRIALS: "SageMaker chooses the values, and may choose the same ones again.",
    Feature.FINISH_RUNNING_TRIALS: "SageMaker stops a tuning job with all its trials. Stop it now, or let it run.",
    Feature.RESUME_TRIALS: "SageMaker starts trials anew: a resumed search learns from the finished ones, no more.",
    Feature.GIVE_UP_EARLY: "SageMaker runs every trial, and fails the search when all of them have failed.",
    Feature.PARTIAL_GRID: "SageMaker tries every combination of a grid: allow as many trials, or shorten the lists.",
    Feature.END_WITH_MACHINE: "They do not run on this machine, and they may be a colleague's. "
    "`python -m backend jobs stop NAME` stops one.",
}


class SageMakerTuning:
    """`TuningPlatform` on AWS. Each call asks AWS: what keeps pages from waiting is `background`."""

    def __init__(self, aws: Aws, records: JobRecords, *, site: Site, start: Start, data: str = "") -> None:
        """`records` are those of the training jobs: both kinds share their names."""
        self._aws = aws
        self._records = records
        self._site = site
        self._data = data
        self._bucket = Bucket(aws)
        self._submitting = Submitting(records, start)
        self._lookup = Lookup(aws)
        self._names: dict[str, str] = {}
        self._ended: dict[str, TuningJob] = {}
        self._ended_trials: dict[str, Mapping[str, float]] = {}

    @property
    def unsupported(self) -> Unsupported:
        return UNSUPPORTED

    def freshness(self) -> Freshness:
        return NOW

    def submit(self, request: TuningRequest, channels: Mapping[str, Channel] = NO_CHANNELS) -> TuningJob:
        earlier = self._submitting.repeated(request.key)
        if earlier is not None:
            return self.describe(earlier.name)
        parents, finished = self._forebears(request)
        wanted = search(request, self.unsupported, parents=parents, finished=finished)
        launch = Launch(
            kind=JobKind.TUNING,
            request=request,
            created_at=datetime.now(UTC),
            base=tuning_name(request),
            channels=channel_addresses(request, channels, request.resumed_from, self._bucket, self._records),
            site=asdict(self._site),
            data=self._data,
            parents=tuple(wanted.parents),
            finished=finished,
        )
        claimed = self._submitting.hand_in(launch, lambda: upload_channels(request.name, channels, self._bucket))
        return self.describe(claimed.name)

    def describe(self, name: str) -> TuningJob:
        launch, request = self._find(name)
        if self._records.launched(name) is None:
            launching = self._records.launching(name)
            now, lease = datetime.now(UTC), LAUNCH_LEASE.total_seconds()
            return tuning_parse.unlaunched_job(launch, request, launching, now, lease)
        with translating(f"describe tuning job '{name}'"):
            told = self._aws.sagemaker().describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=launch.base)
        job = self._job(launch, request, told)
        if job.status.is_terminal:
            self._ended[name] = job
        return job

    def list_jobs(self) -> Sequence[TuningJob]:
        found = [self._ended.get(name) or self.describe(name) for name in self._listed()]
        known = {job.name for job in found}
        for name in self._records.names_launching():
            launch = self._records.find(name)
            if launch is not None and launch.kind is JobKind.TUNING and name not in known:
                found.append(self.describe(name))
        return sorted(found, key=lambda job: (job.created_at, job.name), reverse=True)

    def stop(self, name: str, mode: StopMode) -> TuningJob:
        job = self.describe(name)
        if job.status.is_terminal:
            raise WrongStateError(f"Tuning job '{name}' cannot be stopped: it is {job.status.value}.")
        if mode is StopMode.AFTER_RUNNING:
            require(Feature.FINISH_RUNNING_TRIALS, self.unsupported)
        if job.status is JobStatus.STOPPING:
            return job
        launch, _ = self._find(name)
        with suppress(LostRaceError):  # the first wish counts
            self._bucket.create(f"stops/{name}.json", {"at": datetime.now(UTC).isoformat()})
        if self._records.launched(name) is None:
            self._records.mark_launching(name, LaunchState.STOP_WANTED)
        if self._records.launched(name) is not None:
            self._lookup.stop(launch, launch.base)
        return self.describe(name)

    def read_log(self, name: str, offset: int = 0, limit: int = 262_144) -> LogChunk:
        return self.course(self.describe(name), offset, limit)

    @staticmethod
    def course(job: TuningJob, offset: int, limit: int) -> LogChunk:
        """SageMaker keeps no log of a search: what is told is the course of its trials."""
        text = tuning_parse.course(job).encode()
        size = len(text)
        start = max(0, size + offset) if offset < 0 else min(offset, size)
        raw = text[start : start + limit]
        return LogChunk(text=raw.decode("utf-8", errors="replace"), next_offset=start + len(raw), size=size)

    def importance(self, name: str) -> Mapping[str, float]:
        from backend.adapters.local.tuning_search import importance  # Optuna: only for who asks

        job = self.describe(name)
        return importance(job.request, job.trials)

    def _forebears(self, request: TuningRequest) -> tuple[list[str], int]:
        """The tuning jobs to learn from, by SageMaker's names, and how many finished trials count as the new one's.

        Raises `NotFoundError`, and `WrongStateError` when the one to resume runs or has completed.
        """
        parents, finished = [], 0
        if request.resumed_from:
            origin = self.describe(request.resumed_from)
            job_parse.require_resumable("Tuning", origin.name, origin.status)
            finished = sum(trial.is_finished for trial in origin.trials)
            if finished:
                parents.append(self._find(origin.name)[0].base)
        if request.warm_start_from:
            parents.append(self._find(request.warm_start_from)[0].base)
        return parents, finished

    def _find(self, name: str) -> tuple[Launch, TuningRequest]:
        launch = self._records.find(name)
        if launch is None or not isinstance(launch.request, TuningRequest):
            raise NotFoundError(f"No tuning job '{name}'.", hint="`python -m backend jobs list` shows all.")
        return launch, launch.request

    def _listed(self) -> list[str]:
        """Our names of the tuning jobs that SageMaker has."""
        pages = self._aws.sagemaker().get_paginator("list_hyper_parameter_tuning_jobs")
        with translating("list tuning jobs"):
            found = [
                summary["HyperParameterTuningJobName"]
                for page in pages.paginate(
                    NameContains=PREFIX,
                    SortBy="CreationTime",
                    SortOrder="Descending",
                    PaginationConfig={"PageSize": PAGE},
                )
                for summary in page["HyperParameterTuningJobSummaries"]
            ]
        names = (self._name(sagemaker_name) for sagemaker_name in found if sagemaker_name.startswith(PREFIX))
        return [name for name in names if name and self._records.find(name)]

    def _name(self, sagemaker_name: str) -> str:
        """What we call it, which its trials' environment says; empty for somebody else's."""
        if sagemaker_name not in self._names:
            with translating(f"describe tuning job '{sagemaker_name}'"):
                told = self._aws.sagemaker().describe_hyper_parameter_tuning_job(
                    HyperParameterTuningJobName=sagemaker_name
                )
            environment = told.get("TrainingJobDefinition", {}).get("Environment", {})
            self._names[sagemaker_name] = environment.get("DIGITS_TUNING_JOB", "")
        return self._names[sagemaker_name]

    def _job(self, launch: Launch, request: TuningRequest, told: Mapping[str, Any]) -> TuningJob:
        stop = (
            self._bucket.find(f"stops/{launch.name}.json") if told["HyperParameterTuningJobStatus"] in _STOPS else None
        )
        stopped_at = None if stop is None else datetime.fromisoformat(stop["at"])
        inherited = self._inherited(request)
        trials = [*inherited, *self._trials(launch, request, len(inherited), stopped_at)]
        return tuning_parse.tuning_job(told, launch, request, trials, stopped=stop is not None)

    def _inherited(self, request: TuningRequest) -> list[Trial]:
        """The finished trials of the job that this one resumes, numbered anew."""
        if not request.resumed_from:
            return []
        kept = [trial for trial in self.describe(request.resumed_from).trials if trial.is_finished]
        return [replace(trial, number=number) for number, trial in enumerate(kept, 1)]

    def _trials(self, launch: Launch, request: TuningRequest, before: int, stopped_at: datetime | None) -> list[Trial]:
        pages = self._aws.sagemaker().get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
        with translating(f"list the trials of '{launch.name}'"):
            told = [
                summary
                for page in pages.paginate(
                    HyperParameterTuningJobName=launch.base,
                    SortBy="CreationTime",
                    SortOrder="Ascending",
                    PaginationConfig={"PageSize": PAGE},
                )
                for summary in page["TrainingJobSummaries"]
            ]
        trials = [
            job_parse.trial(one, before + number, request, stopped_at=stopped_at) for number, one in enumerate(told, 1)
        ]
        return [self._with_metrics(trial, request) for trial in trials]

    def _with_metrics(self, trial: Trial, request: TuningRequest) -> Trial:
        """The list tells the objective of a completed trial; what others reached is in their description."""
        if trial.status is JobStatus.COMPLETED or trial.started_at is None:
            return trial
        metrics = self._ended_trials.get(trial.job)
        if metrics is None:
            with translating(f"describe training job '{trial.job}'"):
                told = self._aws.sagemaker().describe_training_job(TrainingJobName=trial.job)
            metrics = {one["MetricName"]: float(one["Value"]) for one in told.get("FinalMetricDataList", [])}
            if trial.status.is_terminal:
                self._ended_trials[trial.job] = metrics
        value = metrics.get(request.objective, math.nan)
        return replace(
            trial,
            value=trial.value if math.isnan(value) else value,
            epochs=metrics.get("epoch", 0.0),
        )


_STOPS: Final = ("Stopping", "Stopped")


def _conforms(adapter: SageMakerTuning) -> TuningPlatform:
    return adapter
