from __future__ import annotations

import pytest

from backend.digits.config import PARAMETERS
from backend.domain.training import HYPERPARAMETERS, PRESETS, epochs_of, resolve
from backend.errors import InvalidInputError


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_spells_out_every_hyperparameter_and_is_valid(preset: str) -> None:
    values = resolve(preset, {})
    assert list(values) == [parameter.name for parameter in HYPERPARAMETERS]
    assert values.items() >= PRESETS[preset].hyperparameters.items()


def test_names_choices_and_ranges_are_those_of_the_trainer() -> None:
    ours = {p.name: (p.kind, p.low, p.high, p.choices, p.pattern) for p in HYPERPARAMETERS}
    theirs = {name: (p.kind, p.low, p.high, p.choices, p.pattern) for name, p in PARAMETERS.items()}
    assert ours == theirs


def test_overrides_win_and_take_their_own_type() -> None:
    values = resolve("fast", {"epochs": "5", "lr": "1e-3", "model": "lean_c"})
    assert (values["epochs"], values["lr"], values["model"]) == (5, 0.001, "lean_c")
    assert isinstance(values["epochs"], int)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("epochs", "0", "epochs is 0; expected a whole number from 1 to 200"),
        ("epochs", "2.5", "epochs is 2.5; expected a whole number"),
        ("epochs", "many", "epochs is 'many'; expected a whole number"),
        ("lr", "nan", "lr is nan; expected a number"),
        ("lr", "inf", "lr is inf"),
        ("lr", 2.0, "lr is 2.0; expected a number from 1e-06 to 1"),
        ("model", "vgg", "model is 'vgg'; expected one of lean_d, lean_c, lean_e, reference"),
        ("export", "int4", "export is 'int4'; expected one of fp32, fp16, int8, int8-qat"),
        ("saved_model", "maybe", "saved_model is 'maybe'; expected one of no, yes"),
        ("serving_instance", "g5.xlarge", "serving_instance is 'g5.xlarge'; expected local, or a SageMaker instance"),
        ("serving_instance", "ml.g5", "serving_instance is 'ml.g5'; expected local"),
        ("serving_instance", 'ml.g5.x"', "expected local, or a SageMaker instance type such as ml.g5.xlarge"),
        ("momentum", 1, "Unknown hyperparameter 'momentum'"),
    ],
)
def test_bad_values_are_refused_with_what_was_expected(name: str, value: str | float, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        resolve("fast", {name: value})


def test_a_job_that_learns_to_bear_8_bits_reports_one_epoch_more() -> None:
    assert epochs_of(resolve("fast", {"epochs": 3, "export": "int8"})) == 3
    assert epochs_of(resolve("fast", {"epochs": 3, "export": "int8-qat"})) == 4
    assert epochs_of({"epochs": 3}) == 3


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="Preset is 'quick'; expected one of fast, balanced"):
        resolve("quick", {})
