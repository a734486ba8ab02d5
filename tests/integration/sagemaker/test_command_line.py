"""The command line on `--platform sagemaker`: real processes, the real launcher, the fake AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from backend.adapters.sagemaker.objects import Bucket
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.container import TrainerContainer

pytestmark = pytest.mark.processes


def run(aws: FakeAws, home: Path, *words: str) -> tuple[int, Any, str]:
    """Exit code, the JSON document, and what was told on standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "backend", *words, "--platform", "sagemaker", "--json"],
        env={
            "PATH": os.environ["PATH"],
            "DIGITS_HOME": str(home),
            "PYTHONPATH": str(Path.cwd()),
            "DIGITS_PRICES": str(home / "prices.json"),
            **aws.environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "prices.json").write_text(json.dumps({"ml.m5.xlarge": 3600.0}))
    return tmp_path


def test_a_job_is_trained_listed_shown_read_and_registered(aws: FakeAws, home: Path) -> None:
    """The shipped code trains for real, as its container would start it."""
    aws.training.container = TrainerContainer(aws.connect(), module=None)
    small = ("--dataset", "digits8x8", "--epochs", "1", "--set", "validation_size=100")
    code, trained, told = run(aws, home, "train", "--name", "first", "--spot", *small, "--wait")
    assert (code, trained["status"]) == (0, "Completed"), told + str(trained)
    assert trained["metrics"]["test_accuracy"] > 0.3
    assert trained["archive"].startswith("s3://digits-test/digits/jobs/first/output/")
    _, jobs, _ = run(aws, home, "jobs", "list")
    assert [(job["name"], job["status"]) for job in jobs] == [("first", "Completed")]
    assert jobs[0]["metrics"]["test_accuracy"] == pytest.approx(trained["metrics"]["test_accuracy"], rel=1e-6)
    _, shown, _ = run(aws, home, "jobs", "show", "first")
    assert shown["compute"]["spot"] is True
    assert shown["billing"]["cost"] == shown["billing"]["billed_seconds"]  # a dollar for a second
    assert 0 < shown["billing"]["saved"] < 1
    _, log, _ = run(aws, home, "jobs", "logs", "first")
    assert "[metrics] progress=1;" in log["log"]
    code, version, _ = run(aws, home, "register", "first")
    assert (code, version["sha256"]) == (0, trained["sha256"])
    assert version["evaluation"]["accuracy"] == pytest.approx(trained["metrics"]["test_accuracy"])
    runs = list((home / "wandb").glob("offline-run-*"))
    assert len(runs) == 1 and trained["run"] in runs[0].name  # to be synced from here


def test_a_search_is_run_and_its_trials_start_the_same_trainer(aws: FakeAws, home: Path) -> None:
    aws.training.container = TrainerContainer(aws.connect(), module=None)
    small = ("--set", "dataset=digits8x8", "--set", "epochs=1", "--set", "validation_size=100")
    words = ("--space", "lr=0.005,0.01", "--strategy", "Grid", "--max-jobs", "2", "--name", "search", "--wait")
    code, search, told = run(aws, home, "tune", *small, *words)
    assert (code, search["status"]) == (0, "Completed"), told + str(search)
    assert [trial["hyperparameters"] for trial in search["trials"]] == [{"lr": 0.005}, {"lr": 0.01}]
    best = search["best_trial"]["job"]
    code, version, _ = run(aws, home, "register", best)
    assert code == 0 and version["evaluation"]["n"] > 0
    with tarfile.open(next(home.glob("jobs/*-001-*/model.tar.gz"), home / "jobs" / best / "model.tar.gz")) as tar:
        assert "mnist/1/model.onnx" in tar.getnames()


def test_what_is_missing_is_said_before_anything_is_asked(aws: FakeAws, home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "backend", "jobs", "list", "--platform", "sagemaker"],
        env={"PATH": os.environ["PATH"], "DIGITS_HOME": str(home), "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "needs AWS_DEFAULT_REGION" in done.stderr
    code, document, _ = run(aws, home, "jobs", "show", "nobody")
    assert (code, document["error"]["kind"]) == (3, "NotFoundError")


def test_what_a_platform_lacks_is_refused_with_the_reason(aws: FakeAws, home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "backend", "train", "--spot"],
        env={"PATH": os.environ["PATH"], "DIGITS_HOME": str(home), "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert "cannot choose instances" in done.stderr
    assert list(Bucket(aws.connect()).keys("")) == []
