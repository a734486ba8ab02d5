"""The search space of a tuning job: for each hyperparameter a list of values or a range."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from backend.domain.training import Hyperparameter, Value, hyperparameter
from backend.errors import InvalidInputError

DEFAULT_SPACE: Final = ("lr=1e-4,1e-3,1e-2", "batch_size=128,256,512")
"""What the older project searched."""
NOT_TUNED: Final = (
    "seed",
    "dataset",
    "limit",
    "validation_size",
    "hard_examples_set",
    "checkpoint_minutes",
    "export",
    "serving_instance",
    "saved_model",
)
"""Values of these make trials that cannot be compared, or are no matter of learning."""
MOST_VALUES: Final = 30
_RANGE: Final = re.compile(r"(range|log)\(([^,()]+),([^,()]+)\)")
_EXPECTED: Final = "expected NAME=A,B,C for a list, NAME=range(LOW,HIGH) or NAME=log(LOW,HIGH)"


@dataclass(frozen=True, kw_only=True)
class ParameterRange:
    """One hyperparameter's values: `values` of a list, or else everything from `low` to `high`, both included.

    A range is of whole numbers when `integer` is set; with `log` small values are tried as often as large ones.
    """

    name: str
    values: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    integer: bool = False
    log: bool = False

    @property
    def is_continuous(self) -> bool:
        return not self.values and not self.integer

    @property
    def text(self) -> str:
        """As `--space` takes it."""
        if self.values:
            return f"{self.name}={','.join(_short(value) for value in self.values)}"
        return f"{self.name}={'log' if self.log else 'range'}({_short(self.low)},{_short(self.high)})"


def parse_space(text: str) -> ParameterRange:
    """One `--space`: `lr=log(1e-4,1e-1)`, `epochs=range(2,10)`, `batch_size=128,256,512`.

    Raises `InvalidInputError` for an unknown hyperparameter, one that is not tuned, or values that it cannot take.
    """
    name, separator, given = (part.strip() for part in text.partition("="))
    if not separator or not given:
        raise InvalidInputError(f"--space is '{text[:80]}'; {_EXPECTED}.")
    if match := _RANGE.fullmatch(given.replace(" ", "")):
        kind, low, high = match.groups()
        return value_range(name, low, high, log=kind == "log")
    if "(" in given or ")" in given:
        raise InvalidInputError(f"--space is '{text[:80]}'; {_EXPECTED}.")
    return value_list(name, [value.strip() for value in given.split(",")])


def value_list(name: str, values: Sequence[Value]) -> ParameterRange:
    """A list of values; raises as `parse_space`."""
    parameter = tunable(name)
    parsed = tuple(dict.fromkeys(parameter.parse(value) for value in values))
    if not parsed:
        raise InvalidInputError(f"The search space has no value of {name}.")
    if len(parsed) > MOST_VALUES:
        raise InvalidInputError(f"The search space has {len(parsed)} values of {name}; at most {MOST_VALUES}.")
    return ParameterRange(name=name, values=parsed)


def value_range(name: str, low: Value, high: Value, *, log: bool = False) -> ParameterRange:
    """All values from `low` to `high`; raises as `parse_space`."""
    parameter = tunable(name)
    if parameter.kind not in ("integer", "float"):
        raise InvalidInputError(
            f"{name} is no number: name its values, for example {name}={','.join(_some(parameter))}."
        )
    first, last = float(parameter.parse(low)), float(parameter.parse(high))
    if first >= last:
        raise InvalidInputError(f"The range of {name} goes from {low} to {high}; expected the smaller first.")
    if log and first <= 0.0:
        raise InvalidInputError(f"The range of {name} begins at {low}; a logarithmic one begins above 0.")
    return ParameterRange(name=name, low=first, high=last, integer=parameter.kind == "integer", log=log)


def tunable(name: str) -> Hyperparameter:
    """The hyperparameter; raises `InvalidInputError` when it is unknown or not tuned."""
    parameter = hyperparameter(name)
    if name in NOT_TUNED:
        raise InvalidInputError(f"'{name}' is not tuned: trials that differ in it cannot be compared by their values.")
    return parameter


def automatic_space(values: Mapping[str, Value]) -> tuple[ParameterRange, ...]:
    """Autotune: ranges around a configuration's own values, for the three that matter most here."""
    lr, batch_size = float(values["lr"]), int(values["batch_size"])
    rate = hyperparameter("lr")
    batches = hyperparameter("batch_size")
    sizes = [size for size in (batch_size // 2, batch_size, batch_size * 2) if batches.low <= size <= batches.high]
    return (
        value_range("lr", max(rate.low, lr / 10), min(rate.high, lr * 10), log=True),
        value_list("batch_size", sizes),
        value_range("label_smoothing", 0.0, 0.2),
    )


def combinations(space: Sequence[ParameterRange]) -> int | None:
    """How many different trials the space has; None when there is no end to them."""
    if any(parameter.is_continuous for parameter in space):
        return None
    return math.prod(len(parameter.values) or int(parameter.high) - int(parameter.low) + 1 for parameter in space)


def every_combination(space: Sequence[ParameterRange]) -> Iterator[dict[str, Value]]:
    """All trials of a space without continuous ranges, the last parameter changing fastest."""
    names = [parameter.name for parameter in space]
    choices = [parameter.values or range(int(parameter.low), int(parameter.high) + 1) for parameter in space]
    for values in product(*choices):
        yield dict(zip(names, values, strict=True))


def _some(parameter: Hyperparameter) -> Sequence[str]:
    return parameter.choices[:2] or ("A", "B")


def _short(value: Value) -> str:
    """The shortest text that reads as this very value again."""
    if not isinstance(value, float):
        return str(value)
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
