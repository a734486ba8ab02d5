from __future__ import annotations

from array import array
from datetime import UTC, datetime

import pytest

from backend.domain.predictions import DataKind, LabelledImages, Predictions, flips
from backend.errors import DifferentDataError, InvalidInputError


def predictions(predicted: list[int], *, labels: list[int] | None = None, data: str = "d" * 64) -> Predictions:
    return Predictions(
        archive_sha256="a" * 64,
        kind=DataKind.TEST,
        data_name="mnist",
        data_sha256=data,
        at=datetime(2026, 11, 25, tzinfo=UTC),
        labels=bytes(labels or [0, 1, 2, 3]),
        predicted=bytes(predicted),
        probabilities=array("f", [0.1] * 10 * len(predicted)),
    )


def test_only_images_that_one_alone_reads_right_are_flips() -> None:
    base, candidate = predictions([0, 9, 8, 3]), predictions([0, 1, 7, 5])
    found = flips(candidate, base)
    assert (found.fixed, found.broken, found.n) == ((1,), (3,), 4)
    assert (found.pair.fixed, found.pair.broken, found.pair.n) == (1, 1, 4)


def test_what_is_right_is_counted_where_it_was_predicted() -> None:
    mine = predictions([0, 9, 2, 3])
    assert (mine.right, mine.accuracy) == (3, 0.75)
    assert mine.confusion[1][9] == 1
    assert sum(map(sum, mine.confusion)) == 4
    assert len(mine.of_image(3)) == 10


@pytest.mark.parametrize("other", [{"data": "e" * 64}, {"labels": [0, 1, 2, 9]}])
def test_different_images_are_never_compared(other: dict) -> None:
    with pytest.raises(DifferentDataError, match="tried on different data") as error:
        flips(predictions([0, 1, 2, 3], **other), predictions([0, 1, 2, 3]))
    assert "--data" in error.value.hint


def test_images_and_labels_must_fit() -> None:
    data = LabelledImages(name="two", images=bytes(1568), labels=b"\x03\x09")
    assert len(data) == 2
    assert len(data.pixels(1)) == 784
    assert data.sha256 == LabelledImages(name="other name", images=bytes(1568), labels=b"\x03\x09").sha256
    for images, labels in ((b"", b""), (bytes(784), b"\x01\x02"), (bytes(784), b"\x0a")):
        with pytest.raises(InvalidInputError, match="784 bytes for each label"):
            LabelledImages(name="bad", images=images, labels=labels)
