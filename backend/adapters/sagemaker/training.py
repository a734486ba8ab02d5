"""Training on SageMaker: launched by a child process through the SDK, read with boto3.

A job has two names: the operator's, which the product uses, and SageMaker's, which carries the request's key. Trials of
a tuning job have SageMaker's only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from backend.adapters.sagemaker import job_parse
from backend.adapters.sagemaker.endpoint_limits import read_quota
from backend.adapters.sagemaker.errors import translating
from backend.adapters.sagemaker.job_files import channel_addresses, upload_channels
from backend.adapters.sagemaker.job_logs import JobLog, JobLogs
from backend.adapters.sagemaker.job_outputs import JobOutputs
from backend.adapters.sagemaker.job_records import (
    LAUNCH_LEASE,
    PREFIX,
    JobRecords,
    Launch,
    LaunchState,
    training_base,
)
from backend.adapters.sagemaker.job_requests import Site
from backend.adapters.sagemaker.listing import JobListing
from backend.adapters.sagemaker.lookup import Lookup
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.prices import Prices
from backend.adapters.sagemaker.session import Aws
from backend.adapters.sagemaker.submitting import Start, Submitting
from backend.adapters.sagemaker.training_limits import shortage, training_quota
from backend.domain.capabilities import Feature, Unsupported
from backend.domain.freshness import NOW, Freshness
from backend.domain.jobs import (
    Compute,
    JobKind,
    JobStatus,
    LogChunk,
    MetricPoint,
    Outlook,
    TrainingJob,
    TrainingRequest,
)
from backend.errors import DigitsError, NotFoundError, WrongStateError
from backend.ports.training import NO_CHANNELS, Channel, TrainingPlatform

UNSUPPORTED: Final[Unsupported] = {
    Feature.QUEUE: "SageMaker starts every job on machines of its own; what exceeds the account's quota is refused.",
    Feature.END_WITH_MACHINE: "They do not run on this machine, and they may be a colleague's. "
    "`python -m backend jobs stop NAME` stops one.",
}


class SageMakerTraining:
    """`TrainingPlatform` on AWS. Each call asks AWS: what keeps pages from waiting is `background`."""

    def __init__(
        self,
        aws: Aws,
        *,
        folder: Path,
        site: Site,
        start: Start,
        prices: Prices,
        data: Path | None = None,
    ) -> None:
        """`folder` keeps what was fetched; `data` is the MNIST file here that jobs are to use."""
        self._aws = aws
        self._site = site
        self._prices = prices
        self._data = data
        self._bucket = Bucket(aws)
        self.records = JobRecords(self._bucket)
        self._submitting = Submitting(self.records, start)
        self._lookup = Lookup(aws)
        self._listing = JobListing(aws)
        self._logs = JobLogs(aws)
        self._outputs = JobOutputs(self._bucket, folder)

    @property
    def unsupported(self) -> Unsupported:
        return UNSUPPORTED

    def freshness(self) -> Freshness:
        return NOW

    def outlook(self, compute: Compute, instances: int = 1) -> Outlook:
        name = self.quota_name(compute)
        try:
            quota = self.quota(name)
        except DigitsError:  # no permission, no network: SageMaker itself refuses what is too much
            quota = None
        return Outlook(hourly_price=self.hourly_price(compute), shortage=shortage(name, quota, instances))

    def hourly_price(self, compute: Compute) -> float | None:
        """Does not wait for AWS."""
        return self._prices.hourly(compute.instance_type or self._site.instance_type)

    def quota_name(self, compute: Compute) -> str:
        return training_quota(compute.instance_type or self._site.instance_type, spot=compute.spot)

    def quota(self, name: str) -> int | None:
        """The account's value; None when it has none of that name. Raises `SetupError`, `PlatformError`."""
        return read_quota(self._aws, name)

    def submit(self, request: TrainingRequest, channels: Mapping[str, Channel] = NO_CHANNELS) -> TrainingJob:
        earlier = self._submitting.repeated(request.key)
        if earlier is not None:
            return self.describe(earlier.name)
        origin = request.resumed_from
        if origin:
            job_parse.require_resumable("Training", origin, self.describe(origin).status)
        launch = Launch(
            kind=JobKind.TRAINING,
            request=request,
            created_at=datetime.now(UTC),
            base=training_base(request),
            channels=channel_addresses(request, channels, origin or request.tuning_job, self._bucket, self.records),
            site=asdict(self._site),
            data=str(self._data or ""),
        )
        claimed = self._submitting.hand_in(launch, lambda: upload_channels(request.name, channels, self._bucket))
        return self.describe(claimed.name)

    def describe(self, name: str) -> TrainingJob:
        launch, sagemaker_name = self._find(name)
        if sagemaker_name is None:
            assert launch is not None  # noqa: S101 - `_find` found one of both
            now = datetime.now(UTC)
            return job_parse.unlaunched_job(launch, self.records.launching(name), now, LAUNCH_LEASE.total_seconds())
        told = self._told(name, sagemaker_name)
        ended_at = told.get("TrainingEndTime")
        log = self._logs.of(sagemaker_name, ended_at)
        return self._job(told, launch, log)

    def list_jobs(self) -> Sequence[TrainingJob]:
        known = [self._listed(told) for told in self._listing.look()]
        names = {job.name for job in known}
        waiting = [
            self.describe(name)
            for name in self.records.names_launching()
            if name not in names and (launch := self.records.find(name)) and launch.kind is JobKind.TRAINING
        ]
        return sorted([*known, *waiting], key=lambda job: (job.created_at, job.name), reverse=True)

    def stop(self, name: str) -> TrainingJob:
        job = self.describe(name)
        if job.status.is_terminal:
            raise WrongStateError(f"Training job '{name}' cannot be stopped: it is {job.status.value}.")
        if job.status is JobStatus.STOPPING:
            return job
        launch, sagemaker_name = self._find(name)
        if sagemaker_name is None:
            self.records.mark_launching(name, LaunchState.STOP_WANTED)
            if self.records.launched(name) is None:
                return self.describe(name)
            _, sagemaker_name = self._find(name)  # it was launched in this very moment
        assert sagemaker_name is not None  # noqa: S101 - launched
        self._lookup.stop(launch or _stub(job), sagemaker_name)
        return self.describe(name)

    def read_log(self, name: str, offset: int = 0, limit: int = 262_144) -> LogChunk:
        log = self.log(name)
        return LogChunk(text="", next_offset=0, size=0) if log is None else log.chunk(offset, limit)

    def metric_points(self, name: str, after: int = -1) -> Sequence[MetricPoint]:
        log = self.log(name)
        return [] if log is None else log.points[after + 1 :]

    def fetch_archive(self, job: TrainingJob) -> Path:
        self._require_completed(job)
        return self._outputs.archive(job.archive)

    def fetch_output(self, job: TrainingJob) -> Path:
        self._require_completed(job)
        return self._outputs.output(job.output)

    @staticmethod
    def _require_completed(job: TrainingJob) -> None:
        if job.status is not JobStatus.COMPLETED:
            raise WrongStateError(f"Training job '{job.name}' has no archive: it is {job.status.value}.")

    def _find(self, name: str) -> tuple[Launch | None, str | None]:
        """The launch of that name, and SageMaker's name of the job, None before it has one; a trial has no launch.

        Raises `NotFoundError`.
        """
        launch = self.records.find(name)
        if launch is None or launch.kind is not JobKind.TRAINING:
            if launch is None and name.startswith(PREFIX):
                return None, name
            raise _unknown(name)
        launched = self.records.launched(name)
        return launch, None if launched is None else launched.sagemaker_name

    def _told(self, name: str, sagemaker_name: str) -> Mapping[str, Any]:
        try:
            with translating(f"describe training job '{name}'"):
                return self._aws.sagemaker().describe_training_job(TrainingJobName=sagemaker_name)
        except NotFoundError as error:
            raise _unknown(name) from error

    def log(self, name: str) -> JobLog | None:
        """The job's log, read up to now; None before SageMaker knows the job. Raises `NotFoundError`."""
        launch, sagemaker_name = self._find(name)
        if sagemaker_name is None:
            return None
        if launch is None:
            self._told(name, sagemaker_name)
        return self._logs.of(sagemaker_name)

    def _job(self, told: Mapping[str, Any], launch: Launch | None, log: JobLog | None) -> TrainingJob:
        request = job_parse.training_request(told)
        if launch is not None and isinstance(launch.request, TrainingRequest):
            request = launch.request
        launched = self.records.launched(request.name) if launch is not None else None
        completed = told["TrainingJobStatus"] == "Completed"
        archive = told.get("ModelArtifacts", {}).get("S3ModelArtifacts", "")
        return job_parse.training_job(
            told,
            request,
            created_at=None if launch is None else launch.created_at,
            notices=(*job_parse.launch_notices(launched), *([] if log is None else log.notices)),
            points=() if log is None else log.points,
            last_line="" if log is None else log.last_line,
            sha256=self._outputs.sha256(archive) if completed and archive and log is not None else "",
            output=archive.replace("/model.tar.gz", "/output.tar.gz"),
            price=self._prices.hourly(told["ResourceConfig"]["InstanceType"]) if "ResourceConfig" in told else None,
        )

    def _listed(self, told: Mapping[str, Any]) -> TrainingJob:
        """The job from the list alone: no call for each."""
        created = told.get("Environment", {}).get("DIGITS_CREATED_AT")
        job = self._job(told, None, None)
        return job if created is None or job.request.tuning_job else job_parse.created(job, created)


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"No job '{name}'.", hint="`python -m backend jobs list` shows all.")


def _stub(job: TrainingJob) -> Launch:
    """A trial, which no record of ours launched."""
    return Launch(kind=JobKind.TRAINING, request=job.request, created_at=job.created_at, base=job.name)


def _conforms(adapter: SageMakerTraining) -> TrainingPlatform:
    return adapter
