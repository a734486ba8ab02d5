"""The command that a form shows, read by the real parser, asks for the very same job."""

from __future__ import annotations

import shlex
from types import SimpleNamespace
from typing import Any

import pytest

from app.commands import train_command, tune_command
from backend.cli.parser import build_parser
from backend.domain.search_space import parse_space
from backend.domain.training import resolve
from backend.domain.tuning import Direction, Strategy
from backend.services.searching import TuningPlan


def asked_for(command: str) -> Any:
    """What the command hands to the service: a `TuningPlan`, or the arguments of `train`."""
    program, *arguments = shlex.split(command)[2:]
    assert program == "backend"
    options = build_parser().parse_args(arguments)
    caught: list[Any] = []

    class CaughtError(Exception):
        pass

    def catch(*given: Any, **named: Any) -> None:
        caught.append(given[0] if given else named)
        raise CaughtError

    backend: Any = SimpleNamespace(
        actor=None, searching=SimpleNamespace(tune=catch), launching=SimpleNamespace(train=catch)
    )
    with pytest.raises(CaughtError):
        options.run(backend, options)
    return caught[0]


PLANS = {
    "as it is": TuningPlan(preset="fast", space=(parse_space("lr=1e-4,1e-3"),)),
    "everything": TuningPlan(
        preset="accurate",
        overrides={"epochs": 9, "dropout": 0.123456789, "dataset": "/data sets/it's mine.npz", "lr": 0.5},
        space=(
            parse_space("lr=log(1.23456789e-4,0.1)"),
            parse_space("batch_size=range(64,512)"),
            parse_space("augmentation=none,affine"),
            parse_space("weight_decay=0.0,0.000012345678"),
        ),
        strategy=Strategy.RANDOM,
        objective="val_loss",
        direction=Direction.MAXIMIZE,
        max_jobs=40,
        max_parallel=3,
        early_stopping=True,
        seed=7,
        warm_start_from="earlier",
        name="my-search",
    ),
    "automatic": TuningPlan(preset="balanced", autotune=True, overrides={"lr": 0.0031}, max_jobs=7),
    "its own direction": TuningPlan(
        preset="fast", space=(parse_space("lr=1e-4,1e-3"),), objective="val_loss", direction=Direction.MINIMIZE
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_tuning_plan_comes_back_from_its_command(name: str) -> None:
    plan = PLANS[name]
    whole = TuningPlan(**{**plan.__dict__, "overrides": {**resolve(plan.preset, {}), **plan.overrides}})
    read = asked_for(tune_command(whole))
    searched = {parameter.name for parameter in plan.space}
    complete = {name: value for name, value in resolve(read.preset, read.overrides).items() if name not in searched}
    assert complete == {name: value for name, value in whole.overrides.items() if name not in searched}
    assert list(read.space) == list(plan.space)
    for field in ("preset", "autotune", "strategy", "objective", "max_jobs", "max_parallel", "early_stopping"):
        assert getattr(read, field) == getattr(plan, field), field
    assert (read.seed, read.warm_start_from, read.name) == (plan.seed, plan.warm_start_from, plan.name)
    assert read.direction in (plan.direction, None)
    if name == "everything":
        assert read.direction is Direction.MAXIMIZE  # against the objective's own: it must be said


def test_a_training_comes_back_from_its_command() -> None:
    values = {**resolve("fast", {}), "lr": 0.0123456789, "epochs": 4, "dataset": "two words"}
    read = asked_for(train_command("fast", values, "my-job"))
    assert resolve("fast", read["overrides"]) == values
    assert (read["preset"], read["name"]) == ("fast", "my-job")


@pytest.mark.parametrize("text", ["lr=0.00012345678,0.1", "lr=log(1.2345678e-05,0.1)", "dropout=range(0,0.3333333333)"])
def test_a_range_says_itself_exactly(text: str) -> None:
    assert parse_space(parse_space(text).text) == parse_space(text)
