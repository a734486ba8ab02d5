from __future__ import annotations

import dataclasses

import pytest

from backend.digits.config import PARAMETERS, TrainConfig, parse_arguments
from backend.digits.failures import ConfigError


def test_every_hyperparameter_is_described_and_its_default_is_allowed() -> None:
    assert {field.name for field in dataclasses.fields(TrainConfig)} == set(PARAMETERS)
    assert parse_arguments([]) == TrainConfig()


@pytest.mark.parametrize("arguments", [["--batch-size", "64"], ["--batch_size", "64"], ["--batch-size=64.0"]])
def test_both_spellings_of_a_name_are_understood(arguments: list[str]) -> None:
    assert parse_arguments(arguments).batch_size == 64


def test_a_whole_command_line_is_read_in_the_right_types() -> None:
    config = parse_arguments(
        ["--model=lean_e", "--epochs=10", "--lr", "4e-3", "--label_smoothing=0.05", "--dataset", "mnist"]
    )

    assert config == TrainConfig(model="lean_e", epochs=10, lr=4e-3, label_smoothing=0.05, dataset="mnist")
    assert isinstance(config.epochs, int)


def test_the_folder_that_sagemakers_tuner_adds_is_no_mistake() -> None:
    assert parse_arguments(["--model_dir", "None/job/model"]) == TrainConfig()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lr", "5"], "lr is '5.0'; expected a number from 1e-06 to 1"),
        (["--lr", "nan"], "lr is 'nan'"),
        (["--lr", "fast"], "lr is 'fast'; expected a number"),
        (["--epochs", "0"], "epochs is '0'; expected a whole number from 1 to 200"),
        (["--epochs", "1.5"], "epochs is '1.5'; expected a whole number"),
        (["--model", "resnet"], "model is 'resnet'; expected one of lean_d"),
        (["--seed", "-1"], "seed is '-1'"),
        (["--optimiser", "adam"], "unrecognized arguments: --optimiser"),
        (["--epoch", "3"], "unrecognized arguments: --epoch"),
        (["--epochs"], "expected one argument"),
        (["--model", ""], "model is ''"),
        (["--export", "int4"], "export is 'int4'; expected one of fp32, fp16, int8, int8-qat"),
        (["--serving-instance", "g5"], "serving_instance is 'g5'; expected local or a SageMaker instance type"),
    ],
)
def test_a_bad_argument_is_refused_with_what_was_expected(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_arguments(arguments)
    assert message in str(caught.value)
