"""The Endpoints page on the platform sagemaker, over the fake AWS: whose numbers they are, and what is different."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from app import context
from backend import bootstrap
from backend.adapters.sagemaker import background, watched_upkeep
from backend.adapters.triton.canary import canary_images
from backend.assembly import Backend
from backend.domain.serving import EndpointStatus, Stage
from backend.settings import Settings
from tests.contract.archives import digest_of, good_archive
from tests.contract.test_serving_contract import ignore, served_from
from tests.contract.training_platforms import wait_until
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.hosted import serving_on
from tests.ui.conftest import open_page, texts

STAGE = Stage.STAGING


@pytest.fixture
def on_aws(aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """Version 1 serves at staging, and was asked five times."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    for seconds in ("LIST_SECONDS", "JOB_SECONDS"):
        monkeypatch.setattr(background, seconds, 0.2)
    monkeypatch.setattr(background, "PATIENCE", 20)  # what a page says meanwhile is another test's
    monkeypatch.setattr(watched_upkeep, "_METRICS_S", 0.2)
    archive = good_archive(tmp_path / "model.tar.gz")
    assert digest_of(archive)
    serving = serving_on(aws.account, tmp_path)
    with serving.hold(STAGE, "ada"):
        serving.deploy(STAGE, served_from(1, archive), archive, ignore)
    for _ in range(5):
        serving.predict(STAGE, canary_images())
    settings = Settings(DIGITS_HOME=tmp_path / "home", DIGITS_PLATFORM="sagemaker", **aws.environment)
    backend = bootstrap.connect(settings, watched=True)
    monkeypatch.setattr(context, "connect", lambda _, *, watched: backend)
    monkeypatch.setenv("DIGITS_PLATFORM", "sagemaker")
    st.cache_resource.clear()
    st.cache_data.clear()
    wait_until(lambda: backend.serving.describe(STAGE).status is EndpointStatus.IN_SERVICE, 20)
    wait_until(lambda: backend.serving.measure(STAGE).requests >= 5, 20)
    yield backend
    st.cache_data.clear()
    st.cache_resource.clear()


def test_the_numbers_are_cloudwatchs_and_idling_has_a_price_or_says_that_it_is_unknown(on_aws: Backend) -> None:
    app = open_page("endpoints", stage="staging")
    said = texts(app)
    assert "CloudWatch's own numbers, as of" in said
    assert "Triton's own numbers" not in said and "supervisor" not in said
    assert "CloudWatch's numbers, a minute late." in said
    alts = " ".join(str(chart.proto.alt) for chart in app.get("echarts_chart"))
    assert "compute: " in alts and "queue" not in alts  # CloudWatch does not tell them apart
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Idling cost"] == "price unknown"
    assert shown["CPU"] in ("12%", "13%")  # 25 of the 200 that two cores have


def test_what_sagemaker_lacks_says_why(on_aws: Backend) -> None:
    said = texts(open_page("endpoints", stage="staging"))
    assert "not the most that the endpoint can do (SageMaker Inference Recommender does)" in said
    assert "`python -m backend guard` takes it down" in said


def test_staging_is_limited_where_colleagues_and_the_guard_see_it_and_deleting_forgets_that(
    on_aws: Backend, aws: FakeAws, tmp_path: Path
) -> None:
    app = open_page("endpoints", stage="staging")
    app.button(key="life_extend").click().run()
    until = on_aws.lifetimes.read(STAGE).until
    assert until is not None
    serving = serving_on(aws.account, tmp_path)
    with serving.hold(STAGE, "ada"):
        serving.delete(STAGE)
    wait_until(lambda: on_aws.lifetimes.read(STAGE).until is None, 20)
