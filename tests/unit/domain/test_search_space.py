"""Search spaces: what `--space` may say, and how many trials it stands for."""

from __future__ import annotations

import pytest

from backend.domain.search_space import (
    DEFAULT_SPACE,
    NOT_TUNED,
    ParameterRange,
    automatic_space,
    combinations,
    every_combination,
    parse_space,
)
from backend.domain.training import HYPERPARAMETERS, PRESETS, resolve
from backend.errors import InvalidInputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr=log(1e-4,1e-1)", ParameterRange(name="lr", low=1e-4, high=0.1, log=True)),
        ("lr = log( 1e-4 , 1e-1 )", ParameterRange(name="lr", low=1e-4, high=0.1, log=True)),
        ("dropout=range(0,0.5)", ParameterRange(name="dropout", low=0.0, high=0.5)),
        ("epochs=range(2,10)", ParameterRange(name="epochs", low=2, high=10, integer=True)),
        ("batch_size=log(32,512)", ParameterRange(name="batch_size", low=32, high=512, integer=True, log=True)),
        ("batch_size=128,256, 512", ParameterRange(name="batch_size", values=(128, 256, 512))),
        ("batch_size=128,128,256", ParameterRange(name="batch_size", values=(128, 256))),
        ("optimizer=adam,adamw", ParameterRange(name="optimizer", values=("adam", "adamw"))),
        ("lr=0.01", ParameterRange(name="lr", values=(0.01,))),
    ],
)
def test_what_a_space_may_say(text: str, expected: ParameterRange) -> None:
    assert parse_space(text) == expected
    assert parse_space(expected.text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("lr", "expected NAME=A,B,C"),
        ("lr=", "expected NAME=A,B,C"),
        ("lr=normal(0,1)", "expected NAME=A,B,C"),
        ("lr=log(1,2,3)", "expected NAME=A,B,C"),
        ("speed=1,2", "Unknown hyperparameter 'speed'"),
        ("lr=log(0,1)", "lr is 0"),
        ("dropout=log(0,0.5)", "begins above 0"),
        ("lr=log(1e-1,1e-4)", "expected the smaller first"),
        ("lr=range(0.1,0.1)", "expected the smaller first"),
        ("epochs=range(1.5,3)", "epochs is 1.5; expected a whole number"),
        ("batch_size=128,4", "batch_size is 4"),
        ("optimizer=range(1,2)", "optimizer=adam,adamw"),
        ("optimizer=adam,sgd", "optimizer is 'sgd'"),
        ("seed=1,2,3", "'seed' is not tuned"),
        ("batch_size=" + ",".join(map(str, range(8, 40))), "32 values of batch_size; at most 30"),
    ],
)
def test_what_it_may_not(text: str, reason: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        parse_space(text)
    assert reason in error.value.message


def test_combinations_are_counted_and_named() -> None:
    space = [parse_space("epochs=range(2,4)"), parse_space("optimizer=adam,adamw")]
    every = list(every_combination(space))
    assert combinations(space) == len(every) == 6
    assert every[0] == {"epochs": 2, "optimizer": "adam"}
    assert every[1] == {"epochs": 2, "optimizer": "adamw"}
    assert combinations([*space, parse_space("lr=log(1e-4,1e-1)")]) is None


def test_the_default_is_the_older_projects() -> None:
    assert combinations([parse_space(text) for text in DEFAULT_SPACE]) == 9


@pytest.mark.parametrize("preset", PRESETS)
def test_the_automatic_space_lies_around_every_presets_values(preset: str) -> None:
    values = resolve(preset, {})
    rate, batch_size, _ = automatic_space(values)
    assert rate.low < float(values["lr"]) < rate.high
    assert values["batch_size"] in batch_size.values


def test_the_automatic_space_keeps_within_what_is_allowed() -> None:
    rate, batch_size, _ = automatic_space(resolve("fast", {"lr": 1.0, "batch_size": 4096}))
    assert (rate.high, batch_size.values) == (1.0, (2048, 4096))


def test_what_is_not_tuned_is_a_hyperparameter() -> None:
    assert set(NOT_TUNED) <= {parameter.name for parameter in HYPERPARAMETERS}
