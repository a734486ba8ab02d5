"""Both platforms in one process, connected as the dashboard connects them: this machine beside the fake AWS."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from app import context
from backend.adapters.sagemaker import background
from tests.contract.training_platforms import wait_until
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.training import TrainingJobs
from tests.fakes.backend import NOON, World, make_world
from tests.fakes.serving import FakeServing
from tests.ui.test_platform_switch import address, everything, go_to, opened

PAGES = ("", "launch", "jobs", "runs", "compare", "promote", "endpoints", "draw", "evidence", "audit", "connections")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """This machine, with a job; the dashboard of the test works on the same folder."""
    monkeypatch.setenv("DIGITS_HOME", str(tmp_path / "home"))
    world = make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))
    world.add_job("job-of-this-machine")
    yield world
    world.candidates.close()
    forget()


@pytest.fixture
def there(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> TrainingJobs:
    """The account, with a job."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(background, "LIST_SECONDS", 0.2)
    aws.training.add(
        "digits-elsewhere", created=NOON, Environment={"DIGITS_JOB": "job-of-the-account", "DIGITS_PRESET": "fast"}
    )
    return aws.training


def forget() -> None:
    st.cache_resource.clear()
    st.cache_data.clear()


def test_a_session_on_aws_and_one_on_this_machine_see_their_own_jobs(here: World, there: TrainingJobs) -> None:
    forget()
    mine, hers = opened("jobs"), opened("jobs", platform="sagemaker")
    wait_until(lambda: "job-of-the-account" in everything(hers.run()), 20)
    assert "job-of-this-machine" not in everything(hers)
    assert "job-of-this-machine" in everything(mine.run())
    assert "job-of-the-account" not in everything(mine)

    go_to(mine, "sagemaker")
    assert address(mine) == "sagemaker"
    wait_until(lambda: "job-of-the-account" in everything(mine.run()), 20)
    assert "job-of-this-machine" not in everything(mine)
    assert context.backend_of("sagemaker").settings.platform == "sagemaker"


def test_while_aws_says_nothing_no_page_waits_for_it_and_this_machine_works_on(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes calls, and never answers one
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "DIGITS_S3_BUCKET": "digits-test",
            "SM_ARN_ROLE": "arn:aws:iam::123456789012:role/digits-execution",
        }.items():
            monkeypatch.setenv(name, value)
        forget()
        opened("jobs", platform="sagemaker")  # makes the clients
        begun, waits = time.monotonic(), 0
        for page in PAGES:
            said = everything(opened(page, platform="sagemaker"))
            assert "job-of-this-machine" not in said, page
            assert "did not work" not in said, page  # nothing has failed so far
            waits += "AWS has not answered yet." in said
        assert waits > 5
        waited = (time.monotonic() - begun) / len(PAGES)
        # One call to AWS gives up after 10 s, and is made three times; a page on a busy machine takes seconds itself.
        assert waited < 6, f"{waited:.1f} s for each page"
        assert "job-of-this-machine" in everything(opened("jobs"))
    background._line.answered()
