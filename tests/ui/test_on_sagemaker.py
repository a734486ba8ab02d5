"""The pages of jobs on the platform sagemaker: the same pages, over the fake AWS, without a wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from app import context
from backend import bootstrap
from backend.adapters.sagemaker import background, spawn
from backend.assembly import Backend
from backend.domain.jobs import JobStatus
from backend.settings import Settings
from tests.contract.training_platforms import wait_until
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.container import TrainerContainer
from tests.fakes.aws.faults import THROTTLED
from tests.fakes.aws.zygote import Zygote
from tests.fakes.backend import NOON
from tests.ui.conftest import open_page, texts


@pytest.fixture
def on_aws(aws: FakeAws, launchers: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    aws.training.container = TrainerContainer(aws.connect())
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(spawn, "start_launcher", launchers.starting)
    monkeypatch.setattr(background, "LIST_SECONDS", 0.2)
    monkeypatch.setattr(background, "JOB_SECONDS", 0.2)
    monkeypatch.setattr(background, "PATIENCE", 20)
    settings = Settings(DIGITS_HOME=tmp_path, DIGITS_PLATFORM="sagemaker", **aws.environment)
    backend = bootstrap.connect(settings, watched=True)
    monkeypatch.setattr(context, "connect", lambda _, *, watched: backend)
    monkeypatch.setenv("DIGITS_PLATFORM", "sagemaker")
    st.cache_resource.clear()
    st.cache_data.clear()
    yield backend
    st.cache_data.clear()
    st.cache_resource.clear()


def test_a_training_is_launched_on_spot_followed_and_told_with_its_cost(on_aws: Backend, aws: FakeAws) -> None:
    app = open_page("launch")
    assert "machines of its own" in texts(app)
    assert app.segmented_control(key="platform_switch").value == "sagemaker"
    app.text_input(key="launch_name").set_value("first").run()
    app.text_input(key="launch_instance").set_value("ml.c5.2xlarge").run()
    app.toggle(key="launch_spot").set_value(True).run()
    assert "--instance-type ml.c5.2xlarge --spot" in texts(app)
    app.button(key="launch_submit").click().run()
    assert not app.exception
    wait_until(lambda: on_aws.training.describe("first").status is JobStatus.COMPLETED, 60)
    asked = aws.server.requests("CreateTrainingJob")[0]
    assert (asked["ResourceConfig"]["InstanceType"], asked["EnableManagedSpotTraining"]) == ("ml.c5.2xlarge", True)
    st.cache_data.clear()
    page = open_page("jobs", job="first")
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["Test accuracy"] == "95.00%"
    assert shown["Cost"] == "price unknown"


def test_a_wrong_instance_type_is_told_and_nothing_can_be_launched(on_aws: Backend) -> None:
    app = open_page("launch")
    app.text_input(key="launch_instance").set_value("huge").run()
    assert "expected one such as ml.m5.xlarge" in texts(app)
    assert [button for button in app.button if button.key == "launch_submit"] == []


def test_while_aws_throttles_the_jobs_stay_on_the_page_with_the_reason(
    on_aws: Backend, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "PATIENCE", 2)
    aws.training.add("digits-old", created=NOON, Environment={"DIGITS_JOB": "old", "DIGITS_PRESET": "fast"})
    open_page("jobs")
    wait_until(lambda: [job.name for job in on_aws.training.list_jobs()] == ["old"])
    aws.faults.plan("*", THROTTLED, times=-1)
    wait_until(lambda: on_aws.training.list_jobs() is not None and on_aws.training.freshness().is_stale, 30)
    st.cache_data.clear()
    begun = time.monotonic()
    app = open_page("jobs")
    assert time.monotonic() - begun < 15  # nobody waits for retries
    assert "AWS asks to be asked less often" in texts(app)
    monkeypatch.setattr(background, "STALE_SECONDS", 0.0)
    assert "UTC: AWS asks to be asked less often" in texts(open_page())
