"""How good a model is on one fixed test set."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backend.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True)
class FreehandEvaluation:
    """Metrics of one archive on held-out drawings: `n` of them, named by `sha256` as a test set is."""

    accuracy: float
    n: int
    sha256: str
    per_class_recall: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Performance:
    """How large and how fast one exported file is, with one thread on the machine that trained it.

    `precision` is what it was exported in, `latency_p50_ms` and `latency_p99_ms` are of one image, in milliseconds;
    `images_per_second` is in batches of 64.
    """

    precision: str
    file_bytes: int
    latency_p50_ms: float
    latency_p99_ms: float
    images_per_second: float


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Metrics of one archive on one test set; only evaluations with equal `test_sha256` may be compared.

    `per_class_recall` has ten entries in [0, 1]; `confusion[actual][predicted]` counts images and sums to `n`;
    `loss` is the mean cross-entropy in nats. `freehand` is None where no drawings were tried,
    `performance` where size and speed were not measured: both are younger than the first versions.
    `measured_at` is when this product ran the archive itself; None for what a training said of its own model.
    """

    accuracy: float
    loss: float
    n: int
    per_class_recall: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]
    test_sha256: str
    dataset: str
    freehand: FreehandEvaluation | None = None
    performance: Performance | None = None
    measured_at: datetime | None = None

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Evaluation:
        """Read `evaluation.json` of a job's output; raises `InvalidInputError` if it is not one."""
        try:
            evaluation = cls(
                accuracy=float(document["accuracy"]),
                loss=float(document["loss"]),
                n=int(document["n"]),
                per_class_recall=tuple(float(value) for value in document["per_class_recall"]),
                confusion=tuple(tuple(int(count) for count in row) for row in document["confusion"]),
                test_sha256=str(document["test_sha256"]),
                dataset=str(document["dataset"]["name"]),
                freehand=_freehand(document.get("freehand")),
                performance=_performance(document.get("performance")),
                measured_at=datetime.fromisoformat(moment) if (moment := document.get("measured_at")) else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInputError(f"Not an evaluation: {type(error).__name__} {error}.") from error
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,40}", evaluation.dataset):
            raise InvalidInputError(f"Not an evaluation: the data set is called '{evaluation.dataset[:40]}'.")
        if len(evaluation.per_class_recall) != 10 or [len(row) for row in evaluation.confusion] != [10] * 10:
            raise InvalidInputError("Not an evaluation: expected ten classes.")
        return evaluation


def _freehand(document: Mapping[str, Any] | None) -> FreehandEvaluation | None:
    if document is None:
        return None
    recall = tuple(float(value) for value in document["per_class_recall"])
    accuracy = float(document["accuracy"])
    digest = str(document["sha256"])
    if len(recall) != 10 or not 0.0 <= accuracy <= 1.0 or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ValueError("of the drawings: expected ten classes, an accuracy in 0..1 and a SHA-256")
    return FreehandEvaluation(accuracy=accuracy, n=int(document["n"]), sha256=digest, per_class_recall=recall)


def _performance(document: Mapping[str, Any] | None) -> Performance | None:
    if document is None:
        return None
    performance = Performance(
        precision=str(document["precision"]),
        file_bytes=int(document["file_bytes"]),
        latency_p50_ms=float(document["latency_p50_ms"]),
        latency_p99_ms=float(document["latency_p99_ms"]),
        images_per_second=float(document["images_per_second"]),
    )
    numbers = (
        performance.file_bytes,
        performance.latency_p50_ms,
        performance.latency_p99_ms,
        performance.images_per_second,
    )
    if not all(0 < number < math.inf for number in numbers) or not re.fullmatch(
        r"[a-z0-9-]{1,20}", performance.precision
    ):
        raise ValueError("of size and speed: expected a precision and numbers above 0")
    return performance
