"""What a training is told: every hyperparameter, its range, and the command line that carries them."""

from __future__ import annotations

import argparse
import dataclasses
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

from .failures import ConfigError

LONGEST_TEXT: Final = 500
LARGEST_SHARE: Final = 0.9
"""Of a batch, that is not of the data set: the less is, the longer a pass over it takes."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """What one hyperparameter may be; both ends of the range are included."""

    kind: Literal["integer", "float", "choice", "text"]
    help: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    pattern: str = ""

    @property
    def expected(self) -> str:
        if self.kind == "choice":
            return f"one of {', '.join(self.choices)}"
        if self.pattern:
            return self.help
        if self.kind == "text":
            return f"1 to {LONGEST_TEXT} printable characters"
        return f"{'a whole number' if self.kind == 'integer' else 'a number'} from {self.low:g} to {self.high:g}"

    def parse(self, name: str, raw: str) -> str | int | float:
        """The value of a command line; raises `ConfigError`."""
        if self.kind in ("choice", "text"):
            return raw
        try:
            number = float(raw)
        except ValueError:
            raise ConfigError(f"{name} is '{raw}'; expected {self.expected}.") from None
        if self.kind == "integer" and number.is_integer():
            return int(number)
        return number

    def check(self, name: str, value: object) -> None:
        """Raises `ConfigError` that says what was expected."""
        if self.kind == "choice":
            good = value in self.choices
        elif self.kind == "text":
            good = isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT and value.isprintable()
            good = good and (not self.pattern or re.fullmatch(self.pattern, str(value)) is not None)
        else:
            types = (int,) if self.kind == "integer" else (int, float)
            good = isinstance(value, types) and not isinstance(value, bool) and self.low <= value <= self.high
        if not good:
            raise ConfigError(f"{name} is '{value}'; expected {self.expected}.")


PARAMETERS: Final[dict[str, Parameter]] = {
    "model": Parameter(kind="choice", choices=("lean_d", "lean_c", "lean_e", "reference"), help="architecture"),
    "epochs": Parameter(kind="integer", low=1, high=200, help="passes over the training images"),
    "batch_size": Parameter(kind="integer", low=8, high=4096, help="images per step"),
    "lr": Parameter(kind="float", low=1e-6, high=1.0, help="learning rate; the peak of a one-cycle"),
    "schedule": Parameter(kind="choice", choices=("onecycle", "constant"), help="learning rate over the steps"),
    "augmentation": Parameter(kind="choice", choices=("none", "shift", "affine", "elastic"), help="changes to images"),
    "optimizer": Parameter(kind="choice", choices=("adam", "adamw"), help="optimiser"),
    "weight_decay": Parameter(kind="float", low=0.0, high=1.0, help="AdamW's; unused with Adam"),
    "label_smoothing": Parameter(kind="float", low=0.0, high=0.5, help="share spread over all classes"),
    "dropout": Parameter(kind="float", low=0.0, high=0.9, help="before the last layer"),
    "ema": Parameter(kind="float", low=0.0, high=0.9999, help="momentum of the averaged weights; 0 is off"),
    "early_stopping": Parameter(kind="integer", low=0, high=200, help="epochs without a better loss; 0 is off"),
    "train_precision": Parameter(kind="choice", choices=("fp32", "bfloat16"), help="of the arithmetic"),
    "seed": Parameter(kind="integer", low=0, high=2**31 - 1, help="the same seed gives the same model"),
    "dataset": Parameter(kind="text", help="auto, mnist, digits8x8, a file, a folder or an s3:// address"),
    "freehand": Parameter(kind="float", low=0.0, high=0.5, help="share of made-up drawings in a batch"),
    "hard_examples": Parameter(kind="float", low=0.0, high=0.5, help="share of labelled drawings in a batch"),
    "hard_examples_set": Parameter(
        kind="text", pattern=r"[a-z0-9][a-z0-9._-]{0,63}", help="now, or the name or SHA-256 of a set of drawings"
    ),
    "limit": Parameter(kind="integer", low=0, high=10_000_000, help="first so many training images; 0 is all"),
    "validation_size": Parameter(
        kind="integer", low=10, high=1_000_000, help="images held out, at most a tenth of the training images"
    ),
    "checkpoint_minutes": Parameter(kind="float", low=0.0, high=1440.0, help="between checkpoints; 0 is off"),
    "export": Parameter(kind="choice", choices=("fp32", "fp16", "int8", "int8-qat"), help="precision of the file"),
    "serving_instance": Parameter(
        kind="text",
        pattern=r"local|ml\.[a-z0-9-]+\.[a-z0-9]+",
        help="local or a SageMaker instance type such as ml.g5.xlarge",
    ),
    "saved_model": Parameter(kind="choice", choices=("no", "yes"), help="a TensorFlow SavedModel among the outputs"),
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All that decides what a training does; raises `ConfigError` for a value out of its range."""

    model: str = "lean_d"
    epochs: int = 2
    batch_size: int = 128
    lr: float = 8e-3
    schedule: str = "onecycle"
    augmentation: str = "shift"
    optimizer: str = "adam"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    dropout: float = 0.0
    ema: float = 0.0
    early_stopping: int = 0
    train_precision: str = "fp32"
    seed: int = 0
    dataset: str = "auto"
    freehand: float = 0.0
    hard_examples: float = 0.0
    hard_examples_set: str = "now"
    limit: int = 0
    validation_size: int = 5_000
    checkpoint_minutes: float = 5.0
    export: str = "fp32"
    serving_instance: str = "local"
    saved_model: str = "no"

    def __post_init__(self) -> None:
        for name, parameter in PARAMETERS.items():
            parameter.check(name, getattr(self, name))
        if self.freehand + self.hard_examples > LARGEST_SHARE:
            raise ConfigError(
                f"freehand is {self.freehand:g} and hard_examples is {self.hard_examples:g}; expected at most "
                f"{LARGEST_SHARE:g} together."
            )


def parse_arguments(arguments: Sequence[str]) -> TrainConfig:
    """The configuration of a command line such as `--model lean_d --batch-size 128`, or with `--batch_size`.

    Raises `ConfigError` for an unknown option or a bad value.
    """
    parser = _Parser(prog="train", description="Train, export and evaluate a digit classifier.", allow_abbrev=False)
    defaults = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
    for name, parameter in PARAMETERS.items():
        spellings = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
        described = f"{parameter.help}: {parameter.expected} (default {defaults[name]})"
        parser.add_argument(*spellings, dest=name, metavar="VALUE", help=described.replace("%", "%%"))
    # SageMaker's tuner adds it for TensorFlow images, whatever the script wants; the folder is in SM_MODEL_DIR.
    parser.add_argument("--model_dir", help=argparse.SUPPRESS)
    given = {name: raw for name, raw in vars(parser.parse_args(arguments)).items() if name in PARAMETERS}
    values: dict[str, Any] = {name: PARAMETERS[name].parse(name, raw) for name, raw in given.items() if raw is not None}
    return TrainConfig(**values)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"The arguments are wrong: {message}.")
