"""The lines that a training prints: metrics and notices, the one place of their format.

A metric line is `[metrics] epoch=1; train_loss=0.3142; val_accuracy=0.9871;`. SageMaker reads it with the regular
expressions of `metric_definitions`, the local platform with `parse_line`. A notice, `[notice] text`, is a sentence for
the person who looks at the job.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

METRIC_NAMES: Final = (
    "progress",
    "epoch",
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "learning_rate",
    "test_accuracy",
    "test_loss",
    "freehand_accuracy",
    "model_bytes",
    "latency_p50_ms",
    "latency_p99_ms",
    "images_per_second",
    "seconds",
)
"""`progress` is the share of the work done, 0..1; `epoch` is passes done, a fraction within one; losses are in nats;
accuracies are 0..1. The last ones but `seconds` are of the exported file: see `performance`."""

_METRICS: Final = "[metrics]"
_NOTICE: Final = "[notice]"
_NUMBER: Final = r"[-+]?(?:nan|inf|[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?)"
_PAIR: Final = re.compile(rf"([a-z][a-z0-9_]*)=({_NUMBER});")


def format_line(metrics: Mapping[str, float | int]) -> str:
    """One line with all `metrics`, in their order, without a line end.

    Raises ValueError for a name that is not in `METRIC_NAMES`: SageMaker would never see it.
    """
    unknown = [name for name in metrics if name not in METRIC_NAMES]
    if unknown:
        raise ValueError(f"Unknown metric '{unknown[0]}'; expected one of {', '.join(METRIC_NAMES)}.")
    return " ".join([_METRICS, *(f"{name}={_format(value)};" for name, value in metrics.items())])


def parse_line(line: str) -> dict[str, float] | None:
    """The metrics of a metric line, NaN and infinities included; None for any other line."""
    head, _, rest = line.strip().partition(" ")
    if head != _METRICS:
        return None
    return {name: float(number) for name, number in _PAIR.findall(rest) if name in METRIC_NAMES} or None


def metric_definitions() -> list[dict[str, str]]:
    """SageMaker's `MetricDefinitions`: each `Regex` captures the one number of its metric.

    See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_MetricDefinition.html
    """
    # The blank before the name keeps `loss` of a longer name from matching; the anchor keeps other lines out.
    return [
        {"Name": name, "Regex": rf"\[metrics\] (?:.* )?{name}=([-+]?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?);"}
        for name in METRIC_NAMES
    ]


def format_notice(text: str) -> str:
    """A sentence for people as one line, without a line end; line breaks in it become blanks."""
    return f"{_NOTICE} {' '.join(text.split())}"


def parse_notice(line: str) -> str | None:
    """The sentence of a notice; None for any other line."""
    head, _, text = line.strip().partition(" ")
    return text if head == _NOTICE and text else None


def _format(value: float) -> str:
    number = float(value)
    if not math.isfinite(number):
        return str(number)
    return f"{number:.6g}"
