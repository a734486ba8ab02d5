"""What the Compare page draws, worked out from a comparison: nothing of it asks or shows anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.components.accuracy_latency import Point
from app.components.confusion_matrices import Matrix
from app.components.difference_plot import Difference
from app.components.metric_table import Column
from app.components.recall_chart import Recalls
from app.tuning_figures import text_of
from backend.domain.comparison import Comparison, Contender
from backend.domain.evaluation import Evaluation
from backend.domain.predictions import CLASSES, DataKind
from backend.domain.statistics import Finding, wilson_interval
from backend.domain.training import HYPERPARAMETERS, Value

_LABELS: Final = {parameter.name: parameter.label for parameter in HYPERPARAMETERS}
_ORDER: Final = (Finding.BETTER, Finding.WORSE, Finding.AS_GOOD, Finding.CANNOT_TELL)


def decided_first(found: Comparison) -> list[Contender]:
    """The candidates that were compared: the better ones first, then the worse, then what is as good or open."""
    compared = [entry for entry in found.others if entry.verdict is not None]
    return sorted(
        compared,
        key=lambda entry: (
            (_ORDER.index(entry.verdict.finding), -entry.verdict.pair.difference) if entry.verdict else ()
        ),
    )


def called(entry: Contender, serving: Mapping[int, Sequence[str]]) -> str:
    """`v3`, or `v3 · prod` where it serves."""
    return " · ".join([entry.name, *serving.get(entry.version.version, ())])


def differences(found: Comparison) -> list[Difference]:
    """In points, for the candidates that were compared, in their order."""
    return [
        Difference(
            name=entry.name,
            points=100 * entry.verdict.pair.difference,
            low=100 * entry.verdict.interval[0],
            high=100 * entry.verdict.interval[1],
            finding=entry.verdict.finding.value,
        )
        for entry in found.others
        if entry.verdict is not None
    ]


def metric_columns(found: Comparison) -> list[Column]:
    """One column for each metric, a value for each contender; None for what was not measured here."""
    accuracy = [100 * e.predictions.accuracy if e.predictions else None for e in found.contenders]
    worst = [_worst_digit(entry) for entry in found.contenders]
    evaluations = [_measured(entry) for entry in found.contenders]
    drawn = [100 * e.freehand.accuracy if e and e.freehand else None for e in evaluations]
    # The loss is kept of the newest test set only: of another one than is compared on, it says nothing here.
    same = found.data.data_sha256 if found.data else ""
    loss = [e.loss if e and e.test_sha256 == same else None for e in evaluations]
    speed = [e.performance if e else None for e in evaluations]
    columns = [
        Column("Accuracy", accuracy, "{:.2f} %", higher_is_better=True),
        Column("Worst digit", worst, "{:.2f} %", higher_is_better=True),
        Column("Loss", loss, "{:.4f}", higher_is_better=False),
        Column("Drawings", [] if found.kind is DataKind.FREEHAND else drawn, "{:.2f} %", higher_is_better=True),
        Column("Model", [p and p.file_bytes / 1024 for p in speed], "{:,.0f} KiB", higher_is_better=False),
        Column("Latency p50", [p and p.latency_p50_ms for p in speed], "{:.3f} ms", higher_is_better=False),
        Column("Latency p99", [p and p.latency_p99_ms for p in speed], "{:.3f} ms", higher_is_better=False),
        Column("Throughput", [p and p.images_per_second for p in speed], "{:,.0f}/s", higher_is_better=True),
    ]
    return [column for column in columns if any(value is not None for value in column.values)]


def points(found: Comparison) -> list[Point]:
    """Accuracy in percent with its interval against latency in milliseconds, of what was measured here."""
    made = []
    for entry in found.contenders:
        evaluation = _measured(entry)
        if entry.predictions is None or evaluation is None or evaluation.performance is None:
            continue
        low, high = wilson_interval(entry.predictions.right, entry.predictions.n)
        made.append(
            Point(
                name=entry.name,
                latency_ms=evaluation.performance.latency_p50_ms,
                accuracy=100 * entry.predictions.accuracy,
                low=100 * low,
                high=100 * high,
                kibibytes=evaluation.performance.file_bytes / 1024,
            )
        )
    return made


def recalls(entry: Contender) -> Recalls | None:
    """By digit in percent, with Wilson's interval; None when it was not run on the data."""
    if entry.predictions is None:
        return None
    rows = entry.predictions.confusion
    intervals = [wilson_interval(row[digit], sum(row)) for digit, row in enumerate(rows)]
    return Recalls(
        name=entry.name,
        shares=[100 * share for share in entry.predictions.recall],
        lows=[100 * low for low, _ in intervals],
        highs=[100 * high for _, high in intervals],
    )


def confusion_difference(candidate: Matrix, base: Matrix) -> list[list[int]]:
    """Candidate minus base, by actual and predicted digit."""
    return [[new - old for new, old in zip(*rows, strict=True)] for rows in zip(candidate, base, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Hyperparameters by label: those that `differ` with a text for each version, and those that are `equal` in all."""

    differ: Mapping[str, Sequence[str]]
    equal: Mapping[str, str]


def parameters(given: Sequence[Mapping[str, Value]]) -> Parameters:
    """Told apart over all versions; one without a training of ours has an empty mapping, and a dash everywhere."""
    names = sorted({name for one in given for name in one}, key=lambda name: [*_LABELS, name].index(name))
    known = [one for one in given if one]
    differ: dict[str, Sequence[str]] = {}
    equal: dict[str, str] = {}
    for name in names:
        texts = [text_of(one[name]) if name in one else "–" for one in given]
        told = {text_of(one[name]) if name in one else "–" for one in known}
        if len(told) > 1:
            differ[_LABELS.get(name, name)] = texts
        else:
            equal[_LABELS.get(name, name)] = told.pop()
    return Parameters(differ=differ, equal=equal)


def _worst_digit(entry: Contender) -> float | None:
    if entry.predictions is None:
        return None
    there = [digit for digit in range(CLASSES) if digit in set(entry.predictions.labels)]
    return 100 * min(entry.predictions.recall[digit] for digit in there)


def _measured(entry: Contender) -> Evaluation | None:
    """What this product found out by running the archive; what a training says of itself is no measurement."""
    evaluation = entry.version.evaluation
    return None if evaluation is None or evaluation.measured_at is None else evaluation
