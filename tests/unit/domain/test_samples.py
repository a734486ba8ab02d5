"""Which test images are called easy, hard and wrong."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime

from backend.domain.predictions import DataKind, LabelledImages, Predictions
from backend.domain.samples import Difficulty, Samples, judged

LABELS = bytes([0, 1] * 10)
DATA = LabelledImages(name="few", images=bytes(784 * 20), labels=LABELS)


def said(predicted: bytes, sure: list[float]) -> Predictions:
    rows = array("f")
    for label, probability in zip(LABELS, sure, strict=True):
        rows.extend(probability if digit == label else 0.0 for digit in range(10))
    return Predictions(
        archive_sha256="a" * 64, kind=DataKind.TEST, data_name="few", data_sha256=DATA.sha256,
        at=datetime(2026, 11, 23, tzinfo=UTC), labels=LABELS, predicted=predicted, probabilities=rows,
    )  # fmt: skip


def test_wrong_is_what_one_judge_read_wrong_and_hard_the_least_sure_tenth_of_each_digit() -> None:
    first = said(LABELS, [0.9] * 20)
    predicted, sure = bytearray(LABELS), [0.9 - place / 100 for place in range(20)]
    predicted[4], sure[4] = 7, 0.2
    samples = judged(DATA, [(1, first), (2, said(bytes(predicted), sure))])
    assert samples.judges == (1, 2)
    assert samples.places(None, Difficulty.WRONG) == (4,)
    # Of nine zeros that are right and of ten ones, one each: those of which a judge was least sure.
    assert samples.places(None, Difficulty.HARD) == (19, 18)
    assert samples.places(0, Difficulty.HARD) == (18,)
    assert len(samples.places(None, Difficulty.EASY)) == 17
    assert samples.places(1) == tuple(range(1, 20, 2))


def test_without_a_judge_there_are_digits_and_no_difficulties() -> None:
    samples = Samples(data=DATA)
    assert len(samples.places(1)) == 10
    assert samples.places(1, Difficulty.HARD) == ()
