"""Tuning jobs: what may be asked for, and what a job says of its trials."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from backend.domain.jobs import JobStatus
from backend.domain.search_space import parse_space
from backend.domain.training import resolve
from backend.domain.tuning import Direction, Strategy, Trial, TuningJob, TuningRequest
from backend.errors import InvalidInputError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def request(**given: Any) -> TuningRequest:
    return TuningRequest(
        **{
            "name": "search",
            "preset": "fast",
            "hyperparameters": resolve("fast", {}),
            "space": (parse_space("lr=log(1e-4,1e-1)"),),
            "requested_by": "ada",
            "key": "key",
            **given,
        }
    )


def trial(number: int, value: float | None, status: JobStatus = JobStatus.COMPLETED, **given: Any) -> Trial:
    given = {"epochs": 2.0, "planned_epochs": 2, **given}
    return Trial(number=number, job=f"job-{number}", status=status, hyperparameters={"lr": 0.1}, value=value, **given)


def job(*trials: Trial, status: JobStatus = JobStatus.IN_PROGRESS, **given: Any) -> TuningJob:
    return TuningJob(request=request(**given), status=status, created_at=NOON, trials=trials)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"name": "x" * 33}, "1 to 32 letters"),
        ({"name": "-search"}, "1 to 32 letters"),
        ({"objective": "test_accuracy"}, "The objective is 'test_accuracy'"),
        ({"max_jobs": 0}, "max_jobs is 0; expected 1 to 750"),
        ({"max_parallel": 101}, "max_parallel is 101; expected 1 to 100"),
        ({"space": ()}, "The search space is empty"),
        ({"space": (parse_space("lr=0.1"), parse_space("lr=0.2"))}, "names 'lr' twice"),
        ({"strategy": Strategy.GRID}, "cannot try every value of 'lr'"),
        ({"strategy": Strategy.HYPERBAND}, "at least 3 epochs; these have 2"),
        (
            {"strategy": Strategy.HYPERBAND, "space": (parse_space("epochs=range(2,9)"),)},
            "how many epochs a trial gets",
        ),
        (
            {
                "strategy": Strategy.HYPERBAND,
                "hyperparameters": resolve("fast", {"epochs": 9}),
                "early_stopping": True,
            },
            "Hyperband stops trials by itself",
        ),
    ],
)
def test_what_may_not_be_asked_for(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        request(**given)
    assert reason in error.value.message


def test_the_best_trial_has_completed() -> None:
    stopped = trial(4, 0.999, JobStatus.STOPPED, stopped_early=True, epochs=1.0)
    trials = (trial(1, 0.91), trial(2, 0.95), trial(3, 0.95), stopped, trial(5, None, JobStatus.IN_PROGRESS))
    best = job(*trials).best_trial
    assert best is not None
    assert best.number == 2
    least = job(*trials, direction=Direction.MINIMIZE).best_trial
    assert least is not None
    assert least.number == 1
    assert job(trial(1, None, JobStatus.FAILED)).best_trial is None


def test_progress_is_the_share_of_trials_that_ended() -> None:
    half = job(trial(1, 0.9), trial(2, None, JobStatus.FAILED), trial(3, None, JobStatus.IN_PROGRESS), max_jobs=4)
    assert half.progress == 0.5
    exhausted = job(trial(1, 0.9), max_jobs=4, status=JobStatus.COMPLETED)
    assert exhausted.progress == 1.0


def test_only_trials_ended_on_their_merits_save_epochs_and_are_finished() -> None:
    early = trial(1, 0.5, JobStatus.STOPPED, stopped_early=True, epochs=1.0, planned_epochs=9)
    by_hand = trial(2, 0.5, JobStatus.STOPPED, epochs=1.0, planned_epochs=9)
    ending = trial(3, 0.5, JobStatus.STOPPING, stopped_early=True, epochs=1.0, planned_epochs=9)
    assert [t.is_finished for t in (early, by_hand, ending)] == [True, False, False]
    assert job(early, by_hand, ending).epochs_saved == 8.0
