"""A training platform on the fake AWS, for tests of what goes wrong there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backend.adapters.sagemaker.job_requests import Site
from backend.adapters.sagemaker.prices import Prices
from backend.adapters.sagemaker.training import SageMakerTraining
from backend.domain.jobs import TrainingJob, TrainingRequest
from backend.domain.training import resolve
from tests.contract.training_platforms import wait_until
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.container import TrainerContainer
from tests.fakes.aws.zygote import Zygote


def platform(
    aws: FakeAws,
    folder: Path,
    launchers: Zygote | None,
    *,
    site: Site | None = None,
    data: Path | None = None,
    **environment: str,
) -> SageMakerTraining:
    """Without `launchers` nothing is ever launched."""
    aws.training.container = TrainerContainer(aws.connect())
    around = {**os.environ, **aws.environment, "PYTHONPATH": str(Path.cwd()), **environment}
    start: Callable[[str], None] = (lambda _: None) if launchers is None else launchers.starting(folder, around)
    prices = Prices(aws.connect(), None)
    return SageMakerTraining(aws.connect(), folder=folder, site=site or Site(), start=start, prices=prices, data=data)


def request(name: str, *, seed: int = 0, key: str = "", **given: Any) -> TrainingRequest:
    values = resolve("fast", {"seed": seed, "epochs": 3, **given.pop("values", {})})
    return TrainingRequest(
        name=name, preset="fast", hyperparameters=values, requested_by="ada", key=key or f"key-{name}", **given
    )


def ended(jobs: SageMakerTraining, name: str, seconds: float = 30.0) -> TrainingJob:
    wait_until(lambda: jobs.describe(name).status.is_terminal, seconds)
    return jobs.describe(name)
