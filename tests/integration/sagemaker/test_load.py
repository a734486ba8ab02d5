"""Asking an endpoint of the fake account as many clients would: load tests, and the probe stream of a deployment."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from backend.adapters.sagemaker.endpoints import SageMakerEndpoints
from backend.adapters.sagemaker.load import SageMakerLoad
from backend.domain.loadtest import LoadPlan, summarise
from backend.domain.probing import ProbeStream
from backend.domain.serving import Stage
from backend.domain.steps import StepStatus
from backend.errors import AccessError
from backend.services.probing import ProbedChanges
from tests.contract.archives import good_archive
from tests.contract.test_serving_contract import ignore, served_from
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.faults import EXPIRED
from tests.fakes.aws.hosted import serving_on

pytestmark = pytest.mark.processes

STAGE = Stage.STAGING


def progress(seconds: float, requests: int, failed: int) -> None: ...


@pytest.fixture
def serving(aws: FakeAws, tmp_path: Path) -> SageMakerEndpoints:
    """Version 1 serves at staging."""
    made = serving_on(aws.account, tmp_path)
    deploy(made, tmp_path, 1)
    return made


def deploy(serving: SageMakerEndpoints, folder: Path, version: int) -> None:
    archive = good_archive(folder / f"model-{version}.tar.gz", sharpness=version)
    with serving.hold(STAGE, "ada"):
        serving.deploy(STAGE, served_from(version, archive), archive, ignore)


def test_a_closed_loop_asks_for_as_long_as_planned(aws: FakeAws, serving: SageMakerEndpoints) -> None:
    told: list[tuple[float, int, int]] = []
    begun = time.monotonic()
    shots = SageMakerLoad(aws.connect()).closed_loop(
        STAGE.endpoint_name, LoadPlan(concurrency=2, seconds=1), lambda *news: told.append(news)
    )
    result = summarise(shots)
    assert 1.0 <= time.monotonic() - begun < 4.0
    assert (result.failed, result.versions) == (0, ())
    assert result.requests > 10
    assert told[-1][1:] == (result.requests, 0)


def test_an_endpoint_that_answers_with_errors_fails_every_request_and_each_has_its_kind(
    aws: FakeAws, serving: SageMakerEndpoints
) -> None:
    load = SageMakerLoad(aws.connect())
    aws.serving.triton.failing = "out of memory"
    broken = summarise(load.closed_loop(STAGE.endpoint_name, LoadPlan(concurrency=2, seconds=1), progress))
    nobody = summarise(load.closed_loop("nobody", LoadPlan(concurrency=2, seconds=1), progress))
    assert broken.requests == broken.failed > 2
    assert broken.failures.keys() == nobody.failures.keys() == {"unavailable"}
    assert nobody.requests < 60  # it was not asked as fast as it refuses


def test_who_may_not_ask_is_told_so_and_no_failure_is_counted(aws: FakeAws, serving: SageMakerEndpoints) -> None:
    aws.faults.plan("*", EXPIRED, times=-1)
    with pytest.raises(AccessError, match="expired"):
        SageMakerLoad(aws.connect()).closed_loop(STAGE.endpoint_name, LoadPlan(concurrency=2, seconds=1), progress)


def test_a_deployment_is_asked_about_all_the_while_and_lets_nobody_down(
    aws: FakeAws, serving: SageMakerEndpoints, tmp_path: Path
) -> None:
    load = SageMakerLoad(aws.connect())
    load.reach = replace(load.reach, per_second=50.0)  # the fake changes an endpoint in a moment
    saw: list[ProbeStream] = []
    archive = good_archive(tmp_path / "model-2.tar.gz", sharpness=2.0)

    def slowly(step: str, status: StepStatus, detail: str) -> None:
        if step in ("validate", "drain") and status is StepStatus.IN_PROGRESS:
            time.sleep(0.3)

    with ProbedChanges(serving, load).watched(STAGE, slowly, saw.append) as report:
        with serving.hold(STAGE, "ada"):
            serving.deploy(STAGE, served_from(2, archive), archive, report)
    (stream,) = saw
    assert (stream.failed, stream.versions) == (0, ())
    assert min(span.requests for span in stream.spans.values()) > 2
    assert stream.answered_by == "a server that does not say which version"


def test_a_token_that_expires_midway_ends_the_asking_and_lets_nobody_down(
    aws: FakeAws, serving: SageMakerEndpoints
) -> None:
    load = SageMakerLoad(aws.connect())
    with load.stream(STAGE.endpoint_name, 20.0) as shots:
        time.sleep(0.5)
        aws.faults.plan("*", EXPIRED, times=-1)
        time.sleep(0.3)
        asked = len(shots)
        time.sleep(0.3)
    assert asked > 2
    assert len(shots) == asked
    assert [shot for shot in shots if shot.failure] == []
