"""How long work will take: from this machine's own past, and never out of thin air."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.estimates import (
    NO_HISTORY,
    PRICE_UNKNOWN,
    Estimate,
    cost_estimate,
    time_left,
    training_estimate,
    trials_of,
    tuning_estimate,
)
from backend.domain.jobs import Compute, JobStatus, Outlook, TrainingJob, TrainingRequest
from backend.domain.search_space import parse_space
from backend.domain.training import Value, resolve
from backend.domain.tuning import Trial, TuningJob, TuningRequest

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def trained(
    seconds: float, status: JobStatus = JobStatus.COMPLETED, compute: Compute | None = None, **values: Value
) -> TrainingJob:
    request = TrainingRequest(
        name="job",
        preset="fast",
        hyperparameters=resolve("fast", values),
        requested_by="ada",
        key="k",
        compute=compute or Compute(),
    )
    return TrainingJob(
        request=request,
        status=status,
        created_at=NOON,
        started_at=NOON,
        ended_at=NOON + timedelta(seconds=seconds),
    )


def request(*space: str, **given: object) -> TuningRequest:
    ranges = tuple(parse_space(text) for text in space or ("lr=log(1e-4,1e-1)",))
    names = {parameter.name for parameter in ranges}
    shared = {name: value for name, value in resolve("fast", {"epochs": 3}).items() if name not in names}
    return TuningRequest(
        **{
            "name": "t",
            "preset": "fast",
            "hyperparameters": shared,
            "space": ranges,
            "requested_by": "ada",
            "key": "k",
            **given,
        }
    )


def test_without_a_past_there_is_no_estimate() -> None:
    assert training_estimate([], resolve("fast", {})) == Estimate(words=NO_HISTORY, work=None)
    assert tuning_estimate([], request(), 1) == Estimate(words=NO_HISTORY, work=None)


def test_what_was_something_else_says_nothing() -> None:
    past = [
        trained(60, JobStatus.FAILED),
        trained(60, model="lean_e"),
        trained(60, limit=1000),
        trained(60, dataset="digits8x8"),
        trained(60, compute=Compute(instance_type="ml.g5.xlarge")),
    ]
    assert training_estimate(past, resolve("fast", {})).words == NO_HISTORY
    assert training_estimate(past, resolve("fast", {}), "ml.g5.xlarge").work == 60


def test_a_training_takes_its_epochs_times_the_median() -> None:
    past = [trained(20), trained(40), trained(600)]  # of two epochs each: 10, 20 and 300 s
    estimate = training_estimate(past, resolve("fast", {"epochs": 6}))
    assert estimate == Estimate(words="About 2 min, from 3 finished jobs with this model.", work=120)


def test_a_search_takes_its_trials_over_the_slots_that_there_are() -> None:
    past = [trained(40)]  # 20 s an epoch
    told = tuning_estimate(past, request(max_jobs=10, max_parallel=4), 2)
    assert told.words == "About 5 min: 10 trials of 3 epochs, 2 at a time, from 1 finished job with this model."
    assert tuning_estimate(past, request(max_jobs=10, max_parallel=1), 2).words.startswith("About 10 min")
    assert told.work == 600  # two at once are paid for twice
    assert "Ending trials early makes it shorter." in tuning_estimate(past, request(early_stopping=True), 1).words


def test_a_searched_number_of_epochs_counts_with_its_mean() -> None:
    told = tuning_estimate([trained(40)], request("epochs=2,4,6", max_jobs=3), 1)
    assert told.words.startswith("About 4 min: 3 trials of 4 epochs")


@pytest.mark.parametrize(
    ("price", "work", "spot", "says"),
    [
        (0.0, None, False, "Costs nothing: it runs on this machine."),
        (None, 60.0, False, PRICE_UNKNOWN),
        (0.5, None, False, "Costs $0.50 an hour of each instance."),
        (0.5, 7200.0, False, "Costs about $1.00, at $0.50 an hour."),
        (0.5, 7200.0, True, "Costs about $1.00, at $0.50 an hour; spot capacity costs less."),
    ],
)
def test_a_cost_is_told_as_far_as_it_is_known(price: float | None, work: float | None, spot: bool, says: str) -> None:
    assert cost_estimate(Estimate(work=work), Outlook(hourly_price=price), spot=spot) == says


def test_there_are_no_more_trials_than_combinations() -> None:
    assert trials_of(request("batch_size=64,128", max_jobs=50)) == 2
    assert trials_of(request("lr=log(1e-4,1e-1)", max_jobs=50)) == 50


def trial(number: int, status: JobStatus, *, took: float | None = None) -> Trial:
    return Trial(
        number=number,
        job=f"j{number}",
        status=status,
        hyperparameters={},
        started_at=NOON,
        ended_at=None if took is None else NOON + timedelta(seconds=took),
    )


def test_time_left_is_what_waits_and_what_runs() -> None:
    job = TuningJob(request=request(max_jobs=5), status=JobStatus.IN_PROGRESS, created_at=NOON)
    assert time_left(job, 1, NOON) is None
    job = replace(
        job,
        trials=(
            trial(1, JobStatus.COMPLETED, took=40),
            trial(2, JobStatus.FAILED, took=1),
            trial(3, JobStatus.IN_PROGRESS),
        ),
    )
    # Two of 40 s wait, and the one that runs has 10 s behind it.
    assert time_left(job, 1, NOON + timedelta(seconds=10)) == timedelta(seconds=110)
    both = replace(job, request=request(max_jobs=5, max_parallel=2))
    assert time_left(both, 4, NOON + timedelta(seconds=10)) == timedelta(seconds=55)
    assert time_left(both, 1, NOON + timedelta(seconds=10)) == timedelta(seconds=110)
