from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backend.domain.jobs import JobStatus, TrainingJob, TrainingRequest
from backend.errors import InvalidInputError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def request(name: str) -> TrainingRequest:
    return TrainingRequest(name=name, preset="fast", hyperparameters={}, requested_by="ada", key="k")


@pytest.mark.parametrize("name", ["", "-a", "a-", "a b", "a/b", "../a", "a" * 64, "ä", "a\n"])
def test_names_that_are_no_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="not valid"):
        request(name)


@pytest.mark.parametrize("name", ["a", "fast-20261123-1", "a" * 63])
def test_good_names_pass(name: str) -> None:
    assert request(name).name == name


def test_a_finished_job_never_changes() -> None:
    for finished in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED):
        assert finished.is_terminal
        assert not any(finished.may_become(status) for status in JobStatus)


def test_every_unfinished_status_can_end() -> None:
    for status in JobStatus:
        assert status.is_terminal or any(status.may_become(end) for end in JobStatus if end.is_terminal)


def test_duration_counts_work_not_waiting() -> None:
    job = TrainingJob(request=request("a"), status=JobStatus.PENDING, created_at=NOON)
    assert job.duration(NOON) is None
    begun = TrainingJob(request=request("a"), status=JobStatus.IN_PROGRESS, created_at=NOON, started_at=NOON)
    assert begun.duration(NOON + timedelta(seconds=3)) == timedelta(seconds=3)
