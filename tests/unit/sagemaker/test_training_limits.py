"""Before a launch: the account's quota is looked up, and what cannot be looked up stands in nobody's way."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.adapters.sagemaker.background import WatchedTraining
from backend.adapters.sagemaker.job_requests import Site
from backend.adapters.sagemaker.training_limits import shortage, training_quota
from backend.domain.jobs import Compute
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.faults import EXPIRED
from tests.unit.sagemaker.launched import platform

NAME = f"{Site().instance_type} for training job usage"


def test_spot_capacity_has_a_quota_of_its_own() -> None:
    assert training_quota("ml.g5.xlarge", spot=False) == "ml.g5.xlarge for training job usage"
    assert training_quota("ml.g5.xlarge", spot=True) == "ml.g5.xlarge for spot training job usage"


@pytest.mark.parametrize(("quota", "instances", "forbidden"), [(None, 9, False), (3, 3, False), (2, 3, True)])
def test_what_is_more_than_the_quota_is_forbidden(quota: int | None, instances: int, forbidden: bool) -> None:
    told = shortage(NAME, quota, instances)
    assert bool(told) is forbidden
    if forbidden:
        assert told.startswith(f"The account's quota '{NAME}' is 2; this needs 3 instances at once. Ask for more")


@pytest.mark.parametrize("watched", [False, True])
def test_the_accounts_own_quota_is_told(aws: FakeAws, tmp_path: Path, watched: bool) -> None:
    aws.serving.quotas.values[NAME] = 1
    aws.serving.quotas.values["ml.g5.xlarge for spot training job usage"] = 0
    jobs = platform(aws, tmp_path, None)
    asked = WatchedTraining(jobs) if watched else jobs
    assert asked.outlook(Compute()).shortage == ""
    assert "needs 2 instances at once" in asked.outlook(Compute(), 2).shortage
    spot = asked.outlook(Compute(instance_type="ml.g5.xlarge", spot=True)).shortage
    assert "'ml.g5.xlarge for spot training job usage' is 0; this needs 1 instance." in spot


@pytest.mark.parametrize("watched", [False, True])
def test_what_cannot_be_looked_up_forbids_nothing(aws: FakeAws, tmp_path: Path, watched: bool) -> None:
    aws.faults.plan("ListServiceQuotas", EXPIRED, times=-1)
    jobs = platform(aws, tmp_path, None)
    assert (WatchedTraining(jobs) if watched else jobs).outlook(Compute()).shortage == ""
