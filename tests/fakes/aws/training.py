"""Training jobs as SageMaker has them: statuses that move, one container each, stop, search, logs."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from tests.fakes.aws.faults import AwsFault, validation
from tests.fakes.aws.server import page

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-west-1"
LOG_GROUP: Final = "/aws/sagemaker/TrainingJobs"
_ENDED: Final = ("Completed", "Failed", "Stopped")


def arn(kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name.lower()}"


@dataclass
class Job:
    """One job: `asked` is the request that made it, `told` what has become of it."""

    asked: Mapping[str, Any]
    told: dict[str, Any]
    tuned: Mapping[str, str] = field(default_factory=dict)
    """What a tuning job chose for it."""
    stop: threading.Event = field(default_factory=threading.Event)
    killed: threading.Event = field(default_factory=threading.Event)
    reports: list[tuple[str, float]] = field(default_factory=list)
    """What the metric definitions found in its log, in order."""

    def curve(self, metric: str) -> list[float]:
        return [value for name, value in self.reports if name == metric]

    def report(self, metric: str, value: float) -> None:
        """A value of a metric, as CloudWatch gets it; the last one is the final one."""
        self.reports.append((metric, value))
        newest = {name: {"MetricName": name, "Value": v, "Timestamp": datetime.now(UTC)} for name, v in self.reports}
        self.told["FinalMetricDataList"] = list(newest.values())[:40]

    @property
    def name(self) -> str:
        return str(self.asked["TrainingJobName"])

    @property
    def ended(self) -> bool:
        return self.told["TrainingJobStatus"] in _ENDED

    def move(self, secondary: str, message: str = "") -> None:
        """Enter a secondary status, as the list of its transitions tells."""
        now = datetime.now(UTC)
        transitions = self.told["SecondaryStatusTransitions"]
        if transitions:
            transitions[-1]["EndTime"] = now
        transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": message or secondary})
        self.told["SecondaryStatus"] = secondary
        self.told["LastModifiedTime"] = now

    def end(self, status: str, reason: str = "") -> None:
        now = datetime.now(UTC)
        self.move(status, reason)
        self.told |= {"TrainingJobStatus": status, "TrainingEndTime": now}
        if reason:
            self.told["FailureReason"] = reason[:1024]
        if "TrainingStartTime" in self.told:
            seconds = max(1, round((now - self.told["TrainingStartTime"]).total_seconds()))
            self.told["TrainingTimeInSeconds"] = seconds
            spot = self.asked.get("EnableManagedSpotTraining")
            self.told["BillableTimeInSeconds"] = max(1, seconds // 3) if spot else seconds


class Container(Protocol):
    """What runs a job between Starting and its end: see `tests.fakes.aws.container`."""

    def __call__(self, job: Job) -> None: ...


def finish_at_once(job: Job) -> None:
    """A container that does nothing, well."""
    job.told["TrainingStartTime"] = datetime.now(UTC)
    job.move("Training")
    job.end("Completed")


class TrainingJobs:
    """A part of SageMaker. `container` runs each job on a thread of its own; `hold()` keeps new ones in Starting."""

    def __init__(self) -> None:
        self.container: Container = finish_at_once
        self.jobs: dict[str, Job] = {}
        self.tags: dict[str, list[dict[str, str]]] = {}
        self.quota: int | None = None
        self._lock = threading.RLock()
        self._threads: list[threading.Thread] = []
        self._begin = threading.Event()
        self._begin.set()
        self._ids = itertools.count(1)

    def hold(self) -> None:
        self._begin.clear()

    def release(self) -> None:
        self._begin.set()

    def reset(self) -> None:
        """End every container without a word, and forget."""
        with self._lock:
            for job in self.jobs.values():
                job.killed.set()
                job.stop.set()
        self._begin.set()
        for thread in self._threads:
            thread.join(timeout=20)
            assert not thread.is_alive(), f"{thread.name} does not end"
        self.container, self.quota = finish_at_once, None
        self._threads.clear()
        self.jobs.clear()
        self.tags.clear()

    def kill(self, name: str) -> None:
        """The instance is lost, as after a failure of its host."""
        self.jobs[name].killed.set()

    def add(self, name: str, *, created: datetime, **told: Any) -> Job:
        """A job of the past, Completed a minute after it was made unless `told` says otherwise."""
        job = self._new(
            {
                "TrainingJobName": name,
                "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
                "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/digits",
                "OutputDataConfig": {"S3OutputPath": "s3://digits-test/out"},
                "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
                "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            }
        )
        ended = created + timedelta(seconds=60)
        job.told |= {"CreationTime": created, "LastModifiedTime": ended, "TrainingJobStatus": "Completed"}
        job.told |= {"SecondaryStatus": "Completed", "TrainingStartTime": created, "TrainingEndTime": ended, **told}
        self.jobs[name] = job
        return job

    def launch(self, asked: Mapping[str, Any], *, tuned: Mapping[str, str] | None = None, **told: Any) -> Job:
        """Make the job and let its container run; `told` is what the answer says besides."""
        with self._lock:
            name = asked["TrainingJobName"]
            if name in self.jobs:
                raise AwsFault(code="ResourceInUse", message=f"Job name must be unique: {name}")
            running = sum(not job.ended for job in self.jobs.values())
            if self.quota is not None and running >= self.quota:
                instance = asked["ResourceConfig"]["InstanceType"]
                raise AwsFault(
                    code="ResourceLimitExceeded",
                    message=f"The account-level service limit '{instance} for training job usage' is {self.quota} "
                    f"Instances, with current utilization of {running} Instances and a request delta of 1 Instances. "
                    "Please use AWS Service Quotas to request an increase for this quota.",
                )
            job = self._new(asked)
            job.told |= told
            job.tuned = tuned or {}
            self.jobs[name] = job
            self.tags[job.told["TrainingJobArn"]] = list(asked.get("Tags", []))
        thread = threading.Thread(target=self._run, args=(job,), name=f"container of {name}", daemon=True)
        self._threads.append(thread)
        thread.start()
        return job

    def _new(self, asked: Mapping[str, Any]) -> Job:
        now = datetime.now(UTC)
        kept = {key: value for key, value in asked.items() if key not in ("TrainingJobName", "Tags")}
        told = {**kept, "TrainingJobArn": arn("training-job", asked["TrainingJobName"]), "CreationTime": now}
        told |= {"LastModifiedTime": now, "TrainingJobStatus": "InProgress", "SecondaryStatusTransitions": []}
        output = asked["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        told["ModelArtifacts"] = {"S3ModelArtifacts": f"{output}/{asked['TrainingJobName']}/output/model.tar.gz"}
        job = Job(asked=asked, told=told)
        job.move("Starting", "Starting the training job")
        return job

    def _run(self, job: Job) -> None:
        while not self._begin.wait(0.02):
            if job.stop.is_set() or job.killed.is_set():
                break
        if job.killed.is_set():
            return
        if job.stop.is_set():
            job.end("Stopped")
            return
        self.container(job)

    def create_training_job(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        stopping = asked.get("StoppingCondition", {})
        wait, run = stopping.get("MaxWaitTimeInSeconds"), stopping.get("MaxRuntimeInSeconds", 86_400)
        if asked.get("EnableManagedSpotTraining") and wait is None:
            raise validation("MaxWaitTimeInSeconds is required when EnableManagedSpotTraining is true")
        if wait is not None and (not asked.get("EnableManagedSpotTraining") or wait < run):
            raise validation("Invalid MaxWaitTimeInSeconds. It must be present for managed spot and >= MaxRuntime.")
        return {"TrainingJobArn": self.launch(asked).told["TrainingJobArn"]}

    def describe_training_job(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"TrainingJobName": asked["TrainingJobName"], **self._get(asked["TrainingJobName"]).told}

    def stop_training_job(self, asked: Mapping[str, Any]) -> None:
        job = self._get(asked["TrainingJobName"])
        if job.ended:
            raise validation(
                "The request was rejected because the training job is in status " + job.told["TrainingJobStatus"]
            )
        if job.told["TrainingJobStatus"] == "InProgress":
            job.told["TrainingJobStatus"] = "Stopping"
            job.move("Stopping")
            job.stop.set()

    def list_training_jobs(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        keep: list[Callable[[Mapping[str, Any]], bool]] = []
        if "NameContains" in asked:
            keep.append(lambda job: asked["NameContains"].lower() in job["TrainingJobName"].lower())
        if "StatusEquals" in asked:
            keep.append(lambda job: job["TrainingJobStatus"] == asked["StatusEquals"])
        if "LastModifiedTimeAfter" in asked:
            keep.append(lambda job: job["LastModifiedTime"] > asked["LastModifiedTimeAfter"])
        if "CreationTimeAfter" in asked:
            keep.append(lambda job: job["CreationTime"] > asked["CreationTimeAfter"])
        found = [job for job in map(_summary, list(self.jobs.values())) if all(wanted(job) for wanted in keep)]
        by = {"Name": "TrainingJobName", "Status": "TrainingJobStatus"}.get(asked.get("SortBy", ""), "CreationTime")
        # As SageMaker: the default is by creation, newest first only when asked for.
        found.sort(key=lambda job: job[by], reverse=asked.get("SortOrder") == "Descending")
        return page(found, asked, "TrainingJobSummaries")

    def search(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Resource TrainingJob by name only: `Contains` and `Equals`, any of the filters with Operator Or."""
        if asked["Resource"] != "TrainingJob":
            raise validation("The fake AWS searches training jobs only.")
        expression = asked.get("SearchExpression", {})
        matching = any if expression.get("Operator") == "Or" else all
        found = [
            job
            for job in self.jobs.values()
            if matching(_matches(job.name, one) for one in expression.get("Filters", [])) or not expression
        ]
        found.sort(key=lambda job: job.told["CreationTime"], reverse=asked.get("SortOrder") != "Ascending")
        records = [
            {
                "TrainingJob": {
                    "TrainingJobName": job.name,
                    **job.told,
                    "Tags": self.tags.get(job.told["TrainingJobArn"], []),
                }
            }
            for job in found
        ]
        return page(records, asked, "Results")

    def list_tags(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        return page(self.tags.get(asked["ResourceArn"], []), asked, "Tags", default=50)

    def add_tags(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        kept = {tag["Key"]: tag for tag in self.tags.get(asked["ResourceArn"], [])}
        kept |= {tag["Key"]: tag for tag in asked["Tags"]}
        self.tags[asked["ResourceArn"]] = list(kept.values())
        return {"Tags": self.tags[asked["ResourceArn"]]}

    def _get(self, name: str) -> Job:
        if name not in self.jobs:
            raise validation("Requested resource not found.")
        return self.jobs[name]


def _summary(job: Job) -> dict[str, Any]:
    names = ("TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime", "TrainingJobStatus")
    told = {name: job.told[name] for name in (*names, "SecondaryStatus") if name in job.told}
    return {"TrainingJobName": job.name, **told}


def _matches(name: str, one: Mapping[str, Any]) -> bool:
    if one["Name"] != "TrainingJobName":
        raise validation(f"The fake AWS searches by TrainingJobName only, not by {one['Name']}.")
    wanted = one["Value"]
    return wanted == name if one.get("Operator", "Equals") == "Equals" else wanted.lower() in name.lower()
