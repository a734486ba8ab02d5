"""From our requests to SageMaker's words, and back: pure."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest

from backend.adapters.sagemaker.job_parse import failure_reason, hyperparameters, interruptions, training_job
from backend.adapters.sagemaker.job_records import Launch, _document, _launch, tuning_name
from backend.adapters.sagemaker.job_requests import Site, environment, job_settings, search, training_image
from backend.adapters.sagemaker.prices import on_demand
from backend.adapters.sagemaker.tuning import UNSUPPORTED
from backend.domain.jobs import Billing, Compute, JobKind, JobStatus
from backend.domain.tuning import Strategy, TuningRequest
from backend.errors import InvalidInputError, RefusedError
from tests.contract.tuning_platforms import request as tuning_request
from tests.unit.sagemaker.launched import request

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def launch(of: Any, **given: Any) -> Launch:
    kind = JobKind.TUNING if isinstance(of, TuningRequest) else JobKind.TRAINING
    return Launch(kind=kind, request=of, created_at=NOON, base="digits-x", site=asdict(Site()), **given)


@pytest.mark.parametrize(
    "of",
    [
        request("first", compute=Compute(spot=True, max_minutes=5)),
        tuning_request("search", space=("lr=log(1e-4,1e-1)", "batch_size=64,128"), strategy=Strategy.RANDOM),
    ],
)
def test_a_launch_is_read_back_as_it_was_written(of: Any) -> None:
    whole = launch(of, channels={"a": "s3://b/c/"}, data="/data/mnist.npz", parents=("digits-y",), finished=2)
    assert _launch(_document(whole)) == whole


@pytest.mark.parametrize(
    ("compute", "run", "wait"),
    [
        (Compute(), 86_400, None),
        (Compute(max_minutes=10), 600, None),
        (Compute(max_minutes=10, spot=True), 600, 1200),
        (Compute(max_minutes=10, max_wait_minutes=15, spot=True), 600, 900),
        (Compute(max_minutes=28 * 1440, spot=True), 28 * 86_400, 28 * 86_400),
    ],
)
def test_time_limits_are_those_that_sagemaker_takes(compute: Compute, run: int, wait: int | None) -> None:
    settings = job_settings(launch(request("first", compute=compute)), "repository")
    assert (settings.max_run, settings.max_wait) == (run, wait)


def test_a_wait_shorter_than_the_work_or_without_spot_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="at least max_minutes"):
        Compute(spot=True, max_minutes=10, max_wait_minutes=5)
    with pytest.raises(InvalidInputError, match="spot capacity only"):
        Compute(max_wait_minutes=5)
    with pytest.raises(InvalidInputError, match=r"such as ml\.m5\.xlarge"):
        Compute(instance_type="m5.xlarge")


@pytest.mark.parametrize(
    ("instance", "device"),
    [("ml.m5.xlarge", "cpu"), ("ml.c5.large", "cpu"), ("ml.g5.xlarge", "gpu"), ("ml.p4d.24xlarge", "gpu")],
)
def test_the_image_is_for_the_instance(instance: str, device: str) -> None:
    assert training_image("r", instance).startswith(f"r:2.21-{device}-")


def test_trials_are_told_whose_they_are_and_single_jobs_their_name() -> None:
    assert environment(launch(request("first")))["DIGITS_JOB"] == "first"
    told = environment(launch(tuning_request("search")))
    assert (told["DIGITS_TUNING_JOB"], told["WANDB_RUN_GROUP"], "DIGITS_JOB" in told) == ("search", "search", False)
    with pytest.raises(InvalidInputError, match="512"):
        environment(launch(request("first", key="k" * 600)))


def test_a_search_in_sagemakers_words() -> None:
    of = tuning_request("s", space=("lr=log(1e-4,1e-1)", "batch_size=64,128", "epochs=range(2,4)"), max_jobs=9, seed=0)
    wanted = search(of, UNSUPPORTED, parents=[])
    assert wanted.continuous == {"lr": (1e-4, 1e-1, "Logarithmic")}
    assert wanted.whole == {"epochs": (2, 4, "Linear")}
    assert wanted.lists == {"batch_size": ["64", "128"]}
    assert wanted.seed > 0  # the SDK leaves out a seed of 0
    assert len(tuning_name(of)) <= 32


def test_a_grid_takes_every_combination_as_lists_or_none() -> None:
    grid = tuning_request("s", space=("batch_size=range(64,66)", "lr=0.1,0.2"), strategy=Strategy.GRID, max_jobs=10)
    wanted = search(grid, UNSUPPORTED, parents=[])
    assert (wanted.max_jobs, wanted.lists["batch_size"], wanted.whole) == (6, ["64", "65", "66"], {})
    for given in ({"max_jobs": 5}, {"max_jobs": 10, "resumed_from": "t"}):
        of = tuning_request("s", space=("batch_size=range(64,66)", "lr=0.1,0.2"), strategy=Strategy.GRID, **given)
        with pytest.raises(RefusedError, match="only some combinations"):
            search(of, UNSUPPORTED, parents=[], finished=1 if "resumed_from" in given else 0)


def test_no_more_trials_than_combinations_and_none_beyond_those_finished() -> None:
    few = tuning_request("s", space=("batch_size=64,128",), max_jobs=9, max_parallel=5)
    assert (search(few, UNSUPPORTED, parents=[]).max_jobs, search(few, UNSUPPORTED, parents=[]).max_parallel) == (2, 2)
    with pytest.raises(InvalidInputError, match="have finished"):
        search(tuning_request("s", max_jobs=2), UNSUPPORTED, parents=[], finished=2)


def test_hyperparameters_come_back_in_their_own_types_without_what_others_added() -> None:
    told = {"lr": "0.01", "epochs": "3", "model": '"lean_d"', "sagemaker_program": "train.py", "model_dir": "/opt"}
    told |= {"_tuning_objective_metric": "val_accuracy", "unknown": "x"}
    assert hyperparameters(told) == {"lr": 0.01, "epochs": 3, "model": "lean_d", "unknown": "x"}


@pytest.mark.parametrize(
    ("told", "last", "expected"),
    [
        ("AlgorithmError: The loss became NaN.\n, exit code: 1", "", "The loss became NaN."),
        (
            'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "Traceback\n  line\n'
            'digits.failures.DivergedError: The loss became NaN."\nCommand "python3 train.py", exit code: 1',
            "",
            "The loss became NaN.",
        ),
        (
            "AlgorithmError: Training Execution failed. For more details, see CloudWatch logs, exit code: 139",
            "Segmentation fault",
            "The trainer ended with exit code 139. Its last line: Segmentation fault",
        ),
        ("InternalServerError: We encountered an internal error.", "", "Its machine died"),
        ("ClientError: Data download failed", "", "ClientError: Data download failed"),
        ("", "", "SageMaker gives no reason."),
    ],
)
def test_the_reason_is_the_one_that_helps(told: str, last: str, expected: str) -> None:
    assert failure_reason(told, last).startswith(expected)


def test_interruptions_and_limits_are_told() -> None:
    moves = [{"Status": status} for status in ("Starting", "Training", "Interrupted", "Training", "MaxRuntimeExceeded")]
    told = interruptions({"SecondaryStatusTransitions": moves})
    assert "taken away 1 times" in told[0]
    assert "time limit" in told[1]


def test_a_running_job_has_no_end_no_archive_and_its_newest_metrics() -> None:
    told = {
        "TrainingJobName": "digits-first-1",
        "TrainingJobStatus": "InProgress",
        "CreationTime": NOON,
        "ModelArtifacts": {"S3ModelArtifacts": "s3://b/later/model.tar.gz"},
        "FinalMetricDataList": [{"MetricName": "progress", "Value": 0.5}, {"MetricName": "val_loss", "Value": 0.25}],
    }
    job = training_job(told, request("first"))
    assert (job.status, job.progress, job.metrics, job.archive) == (JobStatus.IN_PROGRESS, 0.5, {"val_loss": 0.25}, "")
    assert job.ended_at is None and job.billing is None


def test_cost_is_what_was_billed_and_unknown_without_a_price() -> None:
    billed = Billing(
        instance_type="ml.m5.xlarge", instances=1, seconds=3600, billed_seconds=900, spot=True, hourly_price=0.4
    )
    assert (billed.cost, billed.saved) == (pytest.approx(0.1), pytest.approx(0.75))
    unknown = Billing(instance_type="ml.m5.xlarge", instances=1, seconds=0, billed_seconds=0)
    assert (unknown.cost, unknown.saved) == (None, None)


def test_a_price_is_read_from_the_price_list() -> None:
    dimension = {"unit": "Hrs", "pricePerUnit": {"USD": "0.2570000000"}}
    free = {"unit": "Hrs", "pricePerUnit": {"USD": "0.0000000000"}}
    entry = {"terms": {"OnDemand": {"a.b": {"priceDimensions": {"c": dimension, "d": free}}}}}
    assert on_demand(entry) == [0.257]
    assert on_demand({}) == []
