"""Ends of a training job that take their time: a trainer that will not stop, one that is killed under its runner."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.adapters.local.job_runner import GRACE_SECONDS
from backend.domain.jobs import JobStatus
from tests.contract.training_platforms import LocalBench, ended, processes_with, running
from tests.fakes import trainer


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[LocalBench]:
    bench = LocalBench(tmp_path)
    yield bench
    bench.close()


def test_a_trainer_that_ignores_the_request_is_killed_after_the_grace_time(bench: LocalBench) -> None:
    bench.platform.submit(bench.request("stubborn", trainer.IGNORES))
    running(bench.platform, "stubborn")
    asked = time.monotonic()
    bench.platform.stop("stubborn")
    job = ended(bench.platform, "stubborn", seconds=GRACE_SECONDS + 10)
    assert job.status is JobStatus.STOPPED
    assert time.monotonic() - asked >= GRACE_SECONDS


def test_a_killed_trainer_fails_its_job_with_the_signal(bench: LocalBench) -> None:
    bench.platform.submit(bench.request("shot", trainer.HANGS))
    running(bench.platform, "shot")
    # The runner's command line names the trainer too, but as an option; the trainer's own begins with it.
    trainers = [
        pid for pid in processes_with("-m", "tests.fakes.trainer") if str(bench.home.root) in environment_of(pid)
    ]
    assert len(trainers) == 1
    os.kill(trainers[0], signal.SIGKILL)
    job = ended(bench.platform, "shot", seconds=5)
    assert job.status is JobStatus.FAILED
    assert "killed by SIGKILL" in job.failure_reason


def test_no_trainer_outlives_its_runner(bench: LocalBench) -> None:
    bench.platform.submit(bench.request("orphan", trainer.HANGS))
    running(bench.platform, "orphan")
    bench.kill("orphan")
    deadline = time.monotonic() + 5
    while any(str(bench.home.root) in environment_of(pid) for pid in processes_with("-m", "tests.fakes.trainer")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ended(bench.platform, "orphan", seconds=5).status is JobStatus.FAILED


def environment_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""
