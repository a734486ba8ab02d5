"""Launching on SageMaker: once, with everything that was asked for, and nothing secret."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend.adapters.sagemaker import job_records
from backend.adapters.sagemaker.job_records import LaunchState
from backend.adapters.sagemaker.job_requests import Site
from backend.adapters.sagemaker.objects import Bucket
from backend.domain.jobs import Compute, JobStatus
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.faults import EXPIRED, AwsFault
from tests.fakes.aws.zygote import Zygote
from tests.unit.sagemaker.launched import ended, platform, request, wait_until


def test_many_clicks_at_once_launch_one_job(aws: FakeAws, launchers: Zygote, tmp_path: Path) -> None:
    """Each from a dashboard of its own; whose launcher comes first launches."""
    dashboards = [platform(aws, tmp_path / str(number), launchers) for number in range(4)]
    names = []

    def click(number: int) -> None:
        names.append(dashboards[number].submit(request(f"click-{number % 2}", key="one click")).name)

    clicks = [threading.Thread(target=click, args=(number,)) for number in range(4)]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join()
    assert len(set(names)) == 1
    assert ended(dashboards[0], names[0]).status is JobStatus.COMPLETED
    assert aws.server.count("CreateTrainingJob") == 1
    assert [job.name for job in dashboards[3].list_jobs()] == [names[0]]


def test_what_a_dead_launcher_launched_is_found_and_not_launched_again(
    aws: FakeAws, launchers: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = platform(aws, tmp_path, launchers)
    jobs.submit(request("first"))
    ended(jobs, "first")
    launched = jobs.records.launched("first")
    assert launched is not None
    bucket, long_ago = Bucket(aws.connect()), (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    bucket.delete("launched/first.json")  # it died between SageMaker's answer and its own note of it
    bucket.put("attempts/first/1.json", {"at": long_ago})
    bucket.put("launching/first.json", {"state": "launching", "since": long_ago, "reason": "", "hint": ""})

    again = platform(aws, tmp_path, launchers)
    assert again.describe("first").status is JobStatus.FAILED
    assert "Its launch did not end" in again.describe("first").failure_reason
    again.submit(request("second", key="key-first"))
    wait_until(lambda: again.records.launched("first") is not None, 20)
    assert again.describe("first").status is JobStatus.COMPLETED
    assert again.records.launched("first").sagemaker_name == launched.sagemaker_name  # type: ignore[union-attr]
    assert aws.server.count("CreateTrainingJob") == 1


def test_everything_that_was_asked_for_reaches_sagemaker(aws: FakeAws, launchers: Zygote, tmp_path: Path) -> None:
    site = Site(
        image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/ours:1",
        volume_gb=12,
        subnets=("subnet-1", "subnet-2"),
        security_groups=("sg-1",),
        kms_key="arn:aws:kms:eu-west-1:123456789012:key/1",
        tags={"team": "digits"},
    )
    jobs = platform(aws, tmp_path, launchers, site=site)
    compute = Compute(instance_type="ml.c5.2xlarge", spot=True, max_minutes=10, max_wait_minutes=25)
    jobs.submit(request("first", compute=compute))
    job = ended(jobs, "first")
    asked = aws.server.requests("CreateTrainingJob")[0]
    assert asked["AlgorithmSpecification"]["TrainingImage"] == site.image
    resources = {"InstanceType": "ml.c5.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 12}
    assert asked["ResourceConfig"] == {**resources, "VolumeKmsKeyId": site.kms_key}
    assert asked["EnableManagedSpotTraining"] is True
    assert asked["StoppingCondition"] == {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1500}
    assert asked["VpcConfig"] == {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1", "subnet-2"]}
    assert asked["OutputDataConfig"]["KmsKeyId"] == site.kms_key
    assert asked["CheckpointConfig"]["S3Uri"] == "s3://digits-test/digits/jobs/first/checkpoints"
    tags = {tag["Key"]: tag["Value"] for tag in asked["Tags"]}
    assert tags == {"team": "digits", "digits:job": "first", "digits:requested-by": "ada"}
    assert job.billing is not None and job.billing.cost is None  # nobody said what an hour costs


def test_nothing_secret_and_no_telemetry_leaves(aws: FakeAws, launchers: Zygote, tmp_path: Path) -> None:
    secrets = {"WANDB_API_KEY": "w" * 40, "AWS_SECRET_ACCESS_KEY": "testing-secret", "DIGITS_SECRET": "s" * 20}
    jobs = platform(aws, tmp_path, launchers, **secrets)
    jobs.submit(request("first"))
    ended(jobs, "first")
    asked = json.dumps(aws.server.requests("CreateTrainingJob")[0], default=str)
    assert [name for name, secret in secrets.items() if secret in asked] == []
    assert '"WANDB_MODE": "offline"' in asked
    log = (tmp_path / "jobs" / "first" / "launcher.log").read_text()
    looked_up = {line.removeprefix("[lookup] ") for line in log.splitlines() if line.startswith("[lookup] ")}
    assert looked_up == {"127.0.0.1"}


def test_data_of_this_machine_is_uploaded_once_and_found_by_the_job(
    aws: FakeAws, launchers: Zygote, tmp_path: Path
) -> None:
    mnist, own = tmp_path / "some.npz", tmp_path / "own"
    mnist.write_bytes(b"digits")
    own.mkdir()
    for name in ("images.npy", "labels.npy", "notes.txt"):
        (own / name).write_bytes(name.encode())
    jobs = platform(aws, tmp_path, launchers, data=mnist)
    for name in ("first", "second"):
        jobs.submit(request(name))
    jobs.submit(request("third", values={"dataset": str(own)}))
    for name in ("first", "second", "third"):
        assert ended(jobs, name).status is JobStatus.COMPLETED
    assert len(list(Bucket(aws.connect()).keys("data/"))) == 3  # the file, and the folder's two arrays
    assert "SM_CHANNEL_MNIST has mnist.npz: digits" in jobs.read_log("second").text
    assert "SM_CHANNEL_DATASET has images.npy: images.npy" in jobs.read_log("third").text
    asked = {one["Environment"]["DIGITS_JOB"]: one for one in aws.server.requests("CreateTrainingJob")}
    assert asked["first"]["Environment"]["DIGITS_DATA"] == "/opt/ml/input/data/mnist/mnist.npz"
    assert asked["third"]["HyperParameters"]["dataset"] == "/opt/ml/input/data/dataset"
    assert jobs.describe("third").request.hyperparameters["dataset"] == str(own)


def test_a_quota_that_is_used_up_is_the_jobs_failure_with_what_to_do(
    aws: FakeAws, launchers: Zygote, tmp_path: Path
) -> None:
    aws.training.quota = 0
    jobs = platform(aws, tmp_path, launchers)
    jobs.submit(request("first"))
    job = ended(jobs, "first")
    assert job.status is JobStatus.FAILED
    assert "quota 'ml.m5.xlarge for training job usage' is 0" in job.failure_reason
    assert "Service Quotas" in job.failure_reason
    assert [listed.name for listed in jobs.list_jobs()] == ["first"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (EXPIRED, "Sign in again"),
        (
            AwsFault(
                code="AccessDeniedException",
                message="User: arn:aws:iam::1:user/ada is not authorized to perform: iam:PassRole on resource: arn:r",
            ),
            '"iam:PassedToService": "sagemaker.amazonaws.com"',
        ),
    ],
)
def test_a_refusal_while_launching_is_told_on_the_job(
    aws: FakeAws, launchers: Zygote, tmp_path: Path, fault: AwsFault, told: str
) -> None:
    aws.faults.plan("CreateTrainingJob", fault, times=-1)
    jobs = platform(aws, tmp_path, launchers)
    jobs.submit(request("first"))
    job = ended(jobs, "first")
    assert (job.status, told in job.failure_reason) == (JobStatus.FAILED, True), job.failure_reason


@pytest.mark.processes
def test_throttled_at_every_first_call_the_job_still_runs_once(aws: FakeAws, launchers: Zygote, tmp_path: Path) -> None:
    jobs = platform(aws, tmp_path, launchers)
    aws.faults.throttle_first_attempts()
    jobs.submit(request("first"))
    job = ended(jobs, "first", seconds=120)
    assert (job.status, job.failure_reason) == (JobStatus.COMPLETED, "")
    assert job.metrics["test_accuracy"] == 0.95
    assert len(aws.server.requests("CreateTrainingJob")) == 1


def test_a_job_stopped_before_it_is_launched_never_is(aws: FakeAws, launchers: Zygote, tmp_path: Path) -> None:
    slow = platform(aws, tmp_path, None)
    slow.submit(request("first"))
    assert slow.stop("first").status is JobStatus.STOPPING
    assert slow.stop("first").status is JobStatus.STOPPING
    launchers.starting(tmp_path, aws.environment)("first")
    job = ended(slow, "first")
    assert (job.status, job.started_at) == (JobStatus.STOPPED, None)
    assert aws.server.count("CreateTrainingJob") == 0
    assert slow.records.launching("first").state is LaunchState.STOPPED  # type: ignore[union-attr]


def test_names_fit_sagemaker_and_carry_the_key() -> None:
    long = request("a" * 63, key="click")
    base = job_records.training_base(long)
    assert base.startswith("digits-a") and len(base) + len("-20261125073000") == 63
    assert job_records.training_base(request("a" * 63, key="another")) != base
    assert not job_records.training_base(request("x-" * 20 + "y")).count("--")
