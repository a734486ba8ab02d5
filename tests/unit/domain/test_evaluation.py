from __future__ import annotations

from typing import Any

import pytest

from backend.domain.evaluation import Evaluation, FreehandEvaluation, Performance
from backend.errors import InvalidInputError
from tests.fakes.trainer import evaluation


def test_an_evaluation_reads_what_a_trainer_wrote() -> None:
    read = Evaluation.from_document(evaluation())

    assert (read.accuracy, read.n, read.confusion[9][4]) == (0.95, 100, 5)
    assert read.freehand == FreehandEvaluation(accuracy=0.9, n=50, sha256="1" * 64, per_class_recall=(0.9,) * 10)


def test_size_and_speed_are_read_too() -> None:
    read = Evaluation.from_document(evaluation()).performance

    assert read == Performance(
        precision="int8", file_bytes=107_520, latency_p50_ms=0.0512, latency_p99_ms=0.123, images_per_second=28_400.0
    )
    document = {name: value for name, value in evaluation().items() if name != "performance"}
    assert Evaluation.from_document(document).performance is None


@pytest.mark.parametrize(
    "spoilt",
    [
        {},
        [1],
        {"precision": "<b>"},
        {"file_bytes": 0},
        {"latency_p50_ms": float("nan")},
        {"latency_p99_ms": None},
        {"images_per_second": float("inf")},
    ],
)
def test_sizes_and_speeds_that_make_no_sense_are_refused(spoilt: Any) -> None:
    document = evaluation()
    good = document["performance"]
    assert isinstance(good, dict)
    document["performance"] = {**good, **spoilt} if spoilt and isinstance(spoilt, dict) else spoilt
    with pytest.raises(InvalidInputError, match="Not an evaluation"):
        Evaluation.from_document(document)


def test_one_from_before_there_were_drawings_has_none() -> None:
    document = {name: value for name, value in evaluation().items() if name != "freehand"}
    assert Evaluation.from_document(document).freehand is None


@pytest.mark.parametrize(
    "spoilt",
    [{}, [1], {"accuracy": "x"}, {"accuracy": 2.0}, {"per_class_recall": [0.9] * 9}, {"n": None}, {"sha256": 7}],
)
def test_drawings_that_make_no_sense_are_refused(spoilt: Any) -> None:
    document = evaluation()
    good = document["freehand"]
    assert isinstance(good, dict)
    document["freehand"] = {**good, **spoilt} if spoilt and isinstance(spoilt, dict) else spoilt
    with pytest.raises(InvalidInputError, match="Not an evaluation"):
        Evaluation.from_document(document)
