"""More than a page of everything, within the calls that AWS allows."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backend.adapters.sagemaker.job_logs import JobLogs
from backend.adapters.sagemaker.lookup import Lookup
from backend.domain.jobs import JobKind, JobStatus
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.container import write_log
from tests.unit.sagemaker.launched import platform, request

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def add(aws: FakeAws, count: int) -> None:
    for number in range(count):
        aws.training.add(
            f"digits-job-{number:04d}",
            created=LONG_AGO + timedelta(minutes=number),
            Environment={"DIGITS_JOB": f"job-{number:04d}", "DIGITS_PRESET": "fast", "DIGITS_REQUESTED_BY": "ada"},
            HyperParameters={"lr": "0.01", "epochs": "3"},
            FinalMetricDataList=[
                {"MetricName": "test_accuracy", "Value": number / 1000, "Timestamp": LONG_AGO + timedelta(days=1)}
            ],
        )


def test_a_thousand_jobs_are_listed_whole_with_ten_calls_and_then_with_one(aws: FakeAws, tmp_path: Path) -> None:
    add(aws, 1000)
    for number in range(30):  # somebody else's
        aws.training.add(f"churn-{number}", created=LONG_AGO)
    aws.faults.limit("ListTrainingJobs", per_second=2)
    jobs = platform(aws, tmp_path, None)
    found = jobs.list_jobs()
    assert [job.name for job in found] == [f"job-{number:04d}" for number in reversed(range(1000))]
    assert found[0].metrics == {"test_accuracy": 0.999}
    assert found[0].request.hyperparameters == {"lr": 0.01, "epochs": 3}
    assert (found[0].status, found[0].request.requested_by) == (JobStatus.COMPLETED, "ada")
    calls = [call.operation for call in aws.server.calls if not call.operation.startswith("s3:")]
    assert (calls.count("ListTrainingJobs"), calls.count("Search"), calls.count("DescribeTrainingJob")) == (10, 10, 0)

    aws.server.calls.clear()
    time.sleep(1)
    aws.training.add("digits-job-new", created=datetime.now(UTC), Environment={"DIGITS_JOB": "job-new"})
    assert [job.name for job in jobs.list_jobs()][:2] == ["job-new", "job-0999"]
    assert (aws.server.count("ListTrainingJobs"), aws.server.count("Search")) == (1, 0)
    assert aws.server.count("DescribeTrainingJob") == 1


def test_the_job_of_a_launch_is_found_on_any_page(aws: FakeAws, tmp_path: Path) -> None:
    jobs = platform(aws, tmp_path, None)
    jobs.submit(request("wanted"))
    launch = jobs.records.find("wanted")
    assert launch is not None and launch.kind is JobKind.TRAINING
    for number in range(250):
        aws.training.add(f"x{number:03d}-{launch.base}-1", created=LONG_AGO + timedelta(seconds=number))
    aws.training.add(f"{launch.base}-20260101000000", created=LONG_AGO + timedelta(days=1))
    assert Lookup(aws.connect()).sagemaker_name(launch) == f"{launch.base}-20260101000000"


def test_more_lines_than_a_page_holds_are_read_whole_and_once(aws: FakeAws) -> None:
    now = int(time.time() * 1000)
    for stream, count in ((1, 10_400), (2, 600)):  # interrupted once: a second machine wrote on
        lines = [
            (now + stream * 20_000 + number, f"[metrics] epoch={number}; val_loss={'nan' if number % 2 else 0.5};")
            for number in range(count)
        ]
        write_log(aws.connect(), f"digits-job/algo-1-{stream}", lines)
    logs = JobLogs(aws.connect())
    log = logs.of("digits-job")
    assert [point.seq for point in log.points] == list(range(11_000))
    assert log.points[1].values == {"epoch": 1.0}
    whole = log.chunk(0, 10_000_000)
    assert whole.text.count("\n") == 11_000
    asked = aws.server.count("GetLogEvents")
    write_log(aws.connect(), "digits-job/algo-1-2", [(now + 60_000, "[notice] more")])
    assert logs.of("digits-job").notices == ["more"]
    assert len(log.points) == 11_000
    assert aws.server.count("GetLogEvents") - asked <= 4


def test_the_log_of_an_ended_job_is_not_asked_for_again(aws: FakeAws) -> None:
    write_log(aws.connect(), "digits-job/algo-1-1", [(int(time.time() * 1000), "the end")])
    logs = JobLogs(aws.connect())
    logs.of("digits-job", ended_at=LONG_AGO)
    asked = len(aws.server.calls)
    assert logs.of("digits-job", ended_at=LONG_AGO).last_line == "the end"
    assert len(aws.server.calls) == asked
