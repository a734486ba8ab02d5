"""The platforms that the training contract is run against."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from backend.adapters.local import training as local_training
from backend.adapters.local.database import Database
from backend.adapters.local.home import Home
from backend.adapters.local.job_store import JobStore
from backend.adapters.local.training import LocalTraining
from backend.adapters.sagemaker import training as sagemaker_training
from backend.adapters.sagemaker.job_requests import Site
from backend.adapters.sagemaker.prices import Prices
from backend.adapters.sagemaker.training import SageMakerTraining
from backend.domain.capabilities import Unsupported
from backend.domain.jobs import JobStatus, TrainingJob, TrainingRequest
from backend.domain.training import resolve
from backend.ports.training import TrainingPlatform
from tests.contract import real_account
from tests.fakes import trainer
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.container import TrainerContainer
from tests.fakes.aws.zygote import Zygote


class Bench(Protocol):
    """A platform, and how to bring about on it what the contract speaks of."""

    platform: TrainingPlatform

    def request(self, name: str, behaviour: int = trainer.FINISHES, *, key: str = "") -> TrainingRequest: ...

    def kill(self, name: str) -> None:
        """End the job's processes without a word, as a crash of the machine would."""
        ...

    def hold_back(self) -> None:
        """From now on jobs that are submitted do not begin."""
        ...

    def close(self) -> None: ...


class LocalBench:
    """The real runner processes, with the stand-in trainer."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.platform: TrainingPlatform = LocalTraining(
            JobStore(Database(self.home.database), self.home),
            self.home,
            slots=1,
            environment={**os.environ, "PYTHONPATH": str(Path.cwd())},
            trainer="tests.fakes.trainer",
        )

    def request(self, name: str, behaviour: int = trainer.FINISHES, *, key: str = "") -> TrainingRequest:
        return request(name, behaviour, key=key)

    def kill(self, name: str) -> None:
        for pid in processes_with("--home", str(self.home.root), "--job", name):
            os.kill(pid, signal.SIGKILL)

    def hold_back(self) -> None:
        self.platform.submit(self.request("blocker", trainer.HANGS))
        running(self.platform, "blocker")

    def close(self) -> None:
        for job in self.platform.list_jobs():
            if not job.status.is_terminal:
                self.kill(job.name)


class SageMakerBench:
    """The real adapter and its real launcher on the fake AWS, whose containers run the stand-in trainer."""

    def __init__(self, root: Path, aws: FakeAws, launchers: Zygote) -> None:
        self.aws = aws
        aws.training.container = TrainerContainer(aws.connect())
        self.start = launchers.starting(root, {**os.environ, **aws.environment, "PYTHONPATH": str(Path.cwd())})
        self.training = SageMakerTraining(
            aws.connect(),
            folder=root,
            site=Site(),
            start=self.start,
            prices=Prices(aws.connect(), None),
        )
        self.platform: TrainingPlatform = self.training
        self.platform.list_jobs()  # the first call of a process makes the clients

    def request(self, name: str, behaviour: int = trainer.FINISHES, *, key: str = "") -> TrainingRequest:
        return request(name, behaviour, key=key)

    def kill(self, name: str) -> None:
        launched = self.training.records.launched(name)
        self.aws.training.kill(name if launched is None else launched.sagemaker_name)

    def hold_back(self) -> None:
        self.aws.training.hold()

    def close(self) -> None:
        self.aws.training.reset()


LACKS = {"local": local_training.UNSUPPORTED, "sagemaker": sagemaker_training.UNSUPPORTED}
"""Every platform that the suite runs over, and what it lacks."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    over_platforms(metafunc, LACKS)


def over_platforms(metafunc: pytest.Metafunc, lacks: Mapping[str, Unsupported]) -> None:
    """Run a test of `bench` over every platform that has the features it is about (`@pytest.mark.feature`), and one
    of a danger over the places where it exists and can be brought about (`@pytest.mark.danger_of("local")`). With
    `-m aws` the tests of SageMaker run over a real account too.
    """
    if "bench" in metafunc.fixturenames:
        marks = metafunc.definition.iter_markers
        features = {feature for mark in marks("feature") for feature in mark.args}
        dangers = {place for mark in marks("danger_of") for place in mark.args}
        places = dangers or set(lacks)
        names = [name for name, without in lacks.items() if name in places and not features & set(without)]
        real = [pytest.param("aws", marks=pytest.mark.aws)] if "sagemaker" in names and not dangers else []
        metafunc.parametrize("bench", [*names, *real], indirect=True)


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made: Bench
    if request.param == "local":
        made = LocalBench(tmp_path)
    elif request.param == "aws":
        made = real_account.TrainingBench(tmp_path)
    else:
        made = SageMakerBench(tmp_path, request.getfixturevalue("aws"), request.getfixturevalue("launchers"))
    yield made
    made.close()


def request(name: str, behaviour: int = trainer.FINISHES, *, key: str = "") -> TrainingRequest:
    hyperparameters = resolve("fast", {"seed": behaviour, "epochs": 3})
    return TrainingRequest(
        name=name, preset="fast", hyperparameters=hyperparameters, requested_by="tester", key=key or f"key-{name}"
    )


def processes_with(*arguments: str) -> list[int]:
    """Ids of the live processes whose command line has `arguments` one after the other."""
    wanted = "\0".join(arguments).encode() + b"\0"
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def wait_until(seen: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return as soon as `seen()`; fail after `seconds`, times `DIGITS_TEST_PATIENCE` where everything takes longer."""
    patience = float(os.environ.get("DIGITS_TEST_PATIENCE", "1"))
    deadline = time.monotonic() + seconds * patience
    while not seen():
        assert time.monotonic() < deadline, f"not seen within {seconds} s, times {patience:g}"
        time.sleep(0.1 * patience)


def ended(platform: TrainingPlatform, name: str, seconds: float = 15.0) -> TrainingJob:
    wait_until(lambda: platform.describe(name).status.is_terminal, seconds)
    return platform.describe(name)


def running(platform: TrainingPlatform, name: str) -> TrainingJob:
    """The job once its trainer has said something."""
    wait_until(lambda: platform.read_log(name).size > 0)
    assert platform.describe(name).status is JobStatus.IN_PROGRESS
    return platform.describe(name)
