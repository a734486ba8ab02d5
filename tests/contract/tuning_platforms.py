"""The platforms that the tuning contract is run against."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from backend.adapters.local import training as local_training
from backend.adapters.local.database import Database
from backend.adapters.local.home import Home
from backend.adapters.local.job_store import JobStore
from backend.adapters.local.training import LocalTraining
from backend.adapters.local.tuning import LocalTuning
from backend.adapters.local.tuning_store import TuningStore
from backend.adapters.sagemaker import tuning as sagemaker_tuning
from backend.adapters.sagemaker.job_requests import Site
from backend.adapters.sagemaker.tuning import SageMakerTuning
from backend.domain.search_space import parse_space
from backend.domain.training import resolve
from backend.domain.tuning import TuningJob, TuningRequest
from backend.ports.training import TrainingPlatform
from backend.ports.tuning import TuningPlatform
from tests.contract import real_account
from tests.contract.training_platforms import SageMakerBench as TrainingBench
from tests.contract.training_platforms import over_platforms, processes_with, wait_until
from tests.fakes import trainer
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.zygote import Zygote

SLOTS = 2


class Bench(Protocol):
    """A platform, and how to bring about on it what the contract speaks of."""

    platform: TuningPlatform
    training: TrainingPlatform

    def request(self, name: str, behaviour: int = ..., **given: Any) -> TuningRequest:
        """A search whose trials behave as `tests.fakes.trainer` says."""
        ...

    def kill_all(self) -> None:
        """End every process of every job without a word, as a crash of the machine would."""
        ...

    def kill(self, name: str) -> None:
        """End the tuning job's own process, and leave its trials."""
        ...


class LocalBench:
    """The real processes and the real Optuna, with the stand-in trainer."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        database = Database(self.home.database)
        jobs = JobStore(database, self.home)
        by: dict[str, Any] = {
            "slots": SLOTS,
            "environment": {**os.environ, "PYTHONPATH": str(Path.cwd())},
            "trainer": "tests.fakes.trainer",
        }
        training = LocalTraining(jobs, self.home, **by)
        self.training: TrainingPlatform = training
        self.platform: TuningPlatform = LocalTuning(TuningStore(database), jobs, training, self.home, **by)

    def request(self, name: str, behaviour: int = trainer.FINISHES, **given: Any) -> TuningRequest:
        return request(name, behaviour, **given)

    def kill_all(self) -> None:
        for pid in processes_with("--home", str(self.home.root)):
            os.kill(pid, signal.SIGKILL)

    def kill(self, name: str) -> None:
        for pid in processes_with("--home", str(self.home.root), "--job", name):
            os.kill(pid, signal.SIGKILL)


class SageMakerBench:
    """The real adapter and its real launcher on the fake AWS, which plays SageMaker's tuning."""

    def __init__(self, root: Path, aws: FakeAws, launchers: Zygote) -> None:
        self.jobs = TrainingBench(root, aws, launchers)
        self.training: TrainingPlatform = self.jobs.training
        self.platform: TuningPlatform = SageMakerTuning(
            aws.connect(), self.jobs.training.records, site=Site(), start=self.jobs.start
        )

    def request(self, name: str, behaviour: int = trainer.FINISHES, **given: Any) -> TuningRequest:
        return request(name, behaviour, **given)

    def kill_all(self) -> None:
        self.jobs.aws.training.reset()

    def kill(self, name: str) -> None:
        raise AssertionError("a search on SageMaker has no process of its own that could die")


LACKS = {"local": local_training.UNSUPPORTED, "sagemaker": sagemaker_tuning.UNSUPPORTED}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Over every platform; a test of features over those that have them, one of a danger over those that run it."""
    over_platforms(metafunc, LACKS)


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made: Bench
    if request.param == "local":
        made = LocalBench(tmp_path)
    elif request.param == "aws":
        made = real_account.TuningBench(tmp_path)
    else:
        made = SageMakerBench(tmp_path, request.getfixturevalue("aws"), request.getfixturevalue("launchers"))
    yield made
    made.kill_all()


def request(
    name: str, behaviour: int = trainer.FINISHES, *, space: tuple[str, ...] = ("lr=log(1e-4,1e-1)",), **given: Any
) -> TuningRequest:
    values = resolve("fast", {"seed": behaviour, "epochs": given.pop("epochs", 3)})
    ranges = tuple(parse_space(text) for text in space)
    searched = {parameter.name for parameter in ranges}
    return TuningRequest(
        **{
            "name": name,
            "preset": "fast",
            "hyperparameters": {key: value for key, value in values.items() if key not in searched},
            "space": ranges,
            "requested_by": "tester",
            "key": f"key-{name}",
            "max_parallel": SLOTS,
            **given,
        }
    )


def seen(bench: Bench, name: str, so: Callable[[TuningJob], bool], seconds: float = 20.0) -> TuningJob:
    """The job as soon as it is `so`."""
    wait_until(lambda: so(bench.platform.describe(name)), seconds)
    return bench.platform.describe(name)


def ended(bench: Bench, name: str, seconds: float = 30.0) -> TuningJob:
    return seen(bench, name, lambda job: job.status.is_terminal, seconds)
