"""Hyperparameters and presets: what Launch offers, what `train --set` accepts, what a job spells out.

The trainer (`backend.digits`) takes plain hyperparameters and knows no presets; a test holds the names, choices and
ranges here against the trainer's own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from backend.errors import InvalidInputError

Kind = Literal["integer", "float", "choice", "text"]
Value = str | int | float

LONGEST_TEXT: Final = 500
LARGEST_SHARE: Final = 0.9
"""Of each batch, that may be drawings of either kind."""
NAMED_DATASETS: Final = ("auto", "mnist", "digits8x8")


@dataclass(frozen=True, kw_only=True)
class Hyperparameter:
    """One knob: its name and label, what values it takes (both ends included), and a sentence for the form."""

    name: str
    kind: Kind
    label: str
    help: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    pattern: str = ""

    def parse(self, raw: Value) -> Value:
        """The value in its own type; raises `InvalidInputError` that says what was expected."""
        if self.kind == "choice":
            if str(raw) not in self.choices:
                raise InvalidInputError(f"{self.name} is '{raw}'; expected one of {', '.join(self.choices)}.")
            return str(raw)
        if self.kind == "text":
            text = str(raw).strip()
            if not 0 < len(text) <= LONGEST_TEXT or not text.isprintable():
                raise InvalidInputError(
                    f"{self.name} is '{text[:80]}'; expected 1 to {LONGEST_TEXT} printable characters."
                )
            if self.pattern and not re.fullmatch(self.pattern, text):
                raise InvalidInputError(f"{self.name} is '{text[:80]}'; expected {self.help[0].lower()}{self.help[1:]}")
            return text
        try:
            number = float(raw)
        except ValueError:
            raise InvalidInputError(f"{self.name} is '{raw}'; expected {self._expected}.") from None
        whole = number == int(number) if math.isfinite(number) else False
        if not self.low <= number <= self.high or (self.kind == "integer" and not whole):
            raise InvalidInputError(f"{self.name} is {raw}; expected {self._expected}.")
        return int(number) if self.kind == "integer" else number

    @property
    def _expected(self) -> str:
        noun = "a whole number" if self.kind == "integer" else "a number"
        return f"{noun} from {self.low:g} to {self.high:g}"


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named, measured recipe: every hyperparameter but seed, data set and limit."""

    name: str
    summary: str
    hyperparameters: Mapping[str, Value]


HYPERPARAMETERS: Final[tuple[Hyperparameter, ...]] = (
    Hyperparameter(
        name="model",
        label="Model",
        kind="choice",
        choices=("lean_d", "lean_c", "lean_e", "reference"),
        help="Architecture: lean_d has 35 thousand parameters, lean_c 95, lean_e 582, reference 1,351.",
    ),
    Hyperparameter(
        name="epochs", label="Epochs", kind="integer", low=1, high=200, help="Passes over the training images."
    ),
    Hyperparameter(
        name="batch_size", label="Batch size", kind="integer", low=8, high=4096, help="Images per optimisation step."
    ),
    Hyperparameter(
        name="lr",
        label="Learning rate",
        kind="float",
        low=1e-6,
        high=1.0,
        help="Learning rate; the peak of a one-cycle.",
    ),
    Hyperparameter(
        name="schedule",
        label="Schedule",
        kind="choice",
        choices=("onecycle", "constant"),
        help="One-cycle warms up over a quarter of the steps, then falls along a cosine.",
    ),
    Hyperparameter(
        name="augmentation",
        label="Augmentation",
        kind="choice",
        choices=("none", "shift", "affine", "elastic"),
        help="Shift moves by up to 2 pixels; affine also turns, scales and shears; elastic also bends.",
    ),
    Hyperparameter(
        name="optimizer", label="Optimizer", kind="choice", choices=("adam", "adamw"), help="AdamW decays the weights."
    ),
    Hyperparameter(
        name="weight_decay",
        label="Weight decay",
        kind="float",
        low=0.0,
        high=1.0,
        help="AdamW's decay; unused with Adam.",
    ),
    Hyperparameter(
        name="label_smoothing",
        label="Label smoothing",
        kind="float",
        low=0.0,
        high=0.5,
        help="0 trains on the bare labels.",
    ),
    Hyperparameter(
        name="dropout",
        label="Dropout",
        kind="float",
        low=0.0,
        high=0.9,
        help="Before the last layer, in training only.",
    ),
    Hyperparameter(
        name="ema",
        label="Weight averaging",
        kind="float",
        low=0.0,
        high=0.9999,
        help="Momentum of the exponential moving average of the weights, which is what is kept; 0 is off.",
    ),
    Hyperparameter(
        name="early_stopping",
        label="Early stopping",
        kind="integer",
        low=0,
        high=200,
        help="Stop after so many epochs without a better validation loss, and keep the best weights; 0 is off.",
    ),
    Hyperparameter(
        name="train_precision",
        label="Training precision",
        kind="choice",
        choices=("fp32", "bfloat16"),
        help="bfloat16 computes in 16 bits and keeps the weights in 32.",
    ),
    Hyperparameter(
        name="seed", label="Seed", kind="integer", low=0, high=2**31 - 1, help="The same seed gives the same model."
    ),
    Hyperparameter(
        name="dataset",
        label="Data set",
        kind="text",
        help="auto (MNIST, or the bundled 8x8 digits when it cannot be had), mnist, digits8x8, the path of an .npz, "
        "a folder with images.npy and labels.npy, or an s3:// prefix of such files.",
    ),
    Hyperparameter(
        name="freehand",
        label="Share of drawings",
        kind="float",
        low=0.0,
        high=0.5,
        help="Share of each batch that is made-up drawings, gone through the canvas' own preprocessing.",
    ),
    Hyperparameter(
        name="hard_examples",
        label="Share of labelled drawings",
        kind="float",
        low=0.0,
        high=0.5,
        help="Share of each batch that is drawings corrected on Draw; the job keeps its copy of them.",
    ),
    Hyperparameter(
        name="hard_examples_set",
        label="Labelled drawings",
        kind="text",
        pattern=r"[a-z0-9][a-z0-9._-]{0,63}",
        help="now (those there are at the launch), or a set of them by its name or SHA-256.",
    ),
    Hyperparameter(
        name="limit",
        label="Training images",
        kind="integer",
        low=0,
        high=10_000_000,
        help="Train on the first so many images; 0 is all.",
    ),
    Hyperparameter(
        name="validation_size",
        label="Validation images",
        kind="integer",
        low=10,
        high=1_000_000,
        help="Set aside from the training images for every choice; the test set is for the end only.",
    ),
    Hyperparameter(
        name="checkpoint_minutes",
        label="Minutes between checkpoints",
        kind="float",
        low=0.0,
        high=1440.0,
        help="What Resume starts from after a kill or an interruption; 0 writes none.",
    ),
    Hyperparameter(
        name="export",
        label="Export precision",
        kind="choice",
        choices=("fp32", "fp16", "int8", "int8-qat"),
        help="Precision of the exported model. int8-qat trains one more epoch, with weights and activations rounded.",
    ),
    Hyperparameter(
        name="serving_instance",
        label="Serving instance",
        kind="text",
        pattern=r"local|ml\.[a-z0-9-]+\.[a-z0-9]+",
        help="local, or a SageMaker instance type such as ml.g5.xlarge; with a GPU, Triton is asked for TensorRT.",
    ),
    Hyperparameter(
        name="saved_model",
        label="SavedModel",
        kind="choice",
        choices=("no", "yes"),
        help="A TensorFlow SavedModel among the job's outputs, beside the archive.",
    ),
)
_BY_NAME: Final = {parameter.name: parameter for parameter in HYPERPARAMETERS}

_COMMON: Final[Mapping[str, Value]] = {
    "optimizer": "adam",
    "weight_decay": 0.0,
    "label_smoothing": 0.0,
    "dropout": 0.0,
    "ema": 0.0,
    "early_stopping": 0,
    "train_precision": "fp32",
    "seed": 0,
    "dataset": "auto",
    "freehand": 0.0,
    "hard_examples": 0.0,
    "hard_examples_set": "now",
    "limit": 0,
    "validation_size": 5000,
    "checkpoint_minutes": 5.0,
    "export": "fp32",
    "serving_instance": "local",
    "saved_model": "no",
}

PRESETS: Final[Mapping[str, Preset]] = {
    preset.name: preset
    for preset in (
        Preset(
            name="fast",
            summary="The first model of the day: half a minute on two cores.",
            hyperparameters={
                "model": "lean_d",
                "epochs": 2,
                "batch_size": 256,
                "lr": 0.012,
                "schedule": "onecycle",
                "augmentation": "shift",
                "label_smoothing": 0.05,
            },
        ),
        Preset(
            name="balanced",
            summary="The everyday choice: turned and scaled images, some drawings, averaged weights; two minutes.",
            hyperparameters={
                "model": "lean_c",
                "epochs": 6,
                "batch_size": 128,
                "lr": 6e-3,
                "schedule": "onecycle",
                "augmentation": "affine",
                "label_smoothing": 0.05,
                "ema": 0.99,
                "freehand": 0.1,
            },
        ),
        Preset(
            name="accurate",
            summary="The best single model: ten passes over bent images and drawings; some minutes.",
            hyperparameters={
                "model": "lean_e",
                "epochs": 10,
                "batch_size": 128,
                "lr": 4e-3,
                "schedule": "onecycle",
                "augmentation": "elastic",
                "optimizer": "adamw",
                "weight_decay": 0.01,
                "label_smoothing": 0.05,
                "dropout": 0.3,
                "ema": 0.995,
                "freehand": 0.1,
            },
        ),
        Preset(
            name="reference",
            summary="The older project's network and schedule, to measure against.",
            hyperparameters={
                "model": "reference",
                "epochs": 1,
                "batch_size": 256,
                "lr": 1e-3,
                "schedule": "constant",
                "augmentation": "none",
            },
        ),
    )
}


def epochs_of(hyperparameters: Mapping[str, Value]) -> int:
    """How many epochs a job reports: those asked for, and the one that makes it bear 8 bits."""
    return int(hyperparameters["epochs"]) + (hyperparameters.get("export") == "int8-qat")


def hyperparameter(name: str) -> Hyperparameter:
    """The hyperparameter of that name; raises `InvalidInputError` that lists those known."""
    if name not in _BY_NAME:
        raise InvalidInputError(f"Unknown hyperparameter '{name}'.", hint=f"Known are: {', '.join(sorted(_BY_NAME))}.")
    return _BY_NAME[name]


def resolve(preset: str, overrides: Mapping[str, Value]) -> dict[str, Value]:
    """Every hyperparameter of a job: the preset's, with `overrides` over them, validated and in their own types.

    Raises `InvalidInputError` for an unknown preset, an unknown name, a value out of range, or shares of drawings that
    leave too little of the data set.
    """
    if preset not in PRESETS:
        raise InvalidInputError(f"Preset is '{preset}'; expected one of {', '.join(PRESETS)}.")
    for name in sorted(overrides):
        hyperparameter(name)
    values = {**_COMMON, **PRESETS[preset].hyperparameters, **overrides}
    parsed = {parameter.name: parameter.parse(values[parameter.name]) for parameter in HYPERPARAMETERS}
    made_up, labelled = float(parsed["freehand"]), float(parsed["hard_examples"])
    if made_up + labelled > LARGEST_SHARE:
        raise InvalidInputError(
            f"freehand is {made_up:g} and hard_examples is {labelled:g}; expected at most {LARGEST_SHARE:g} together."
        )
    return parsed
