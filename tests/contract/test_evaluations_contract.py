"""What every evaluation store keeps; `backend.ports.evaluations` in executable form."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend.adapters.local.evaluations import LocalEvaluations
from backend.adapters.local.home import Home
from backend.domain.predictions import DataKind, LabelledImages, Predictions
from backend.errors import NotFoundError
from backend.ports.evaluations import EvaluationStore

ARCHIVE, OTHER, DATA, MORE_DATA = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(params=["local"])
def store(tmp_path: Path) -> EvaluationStore:
    return LocalEvaluations(Home(tmp_path))


def predictions(
    archive: str = ARCHIVE,
    kind: DataKind = DataKind.TEST,
    data: str = DATA,
    *,
    after: int = 0,
    predicted: tuple[int, ...] = (0, 1, 9),
) -> Predictions:
    return Predictions(
        archive_sha256=archive,
        kind=kind,
        data_name="mnist",
        data_sha256=data,
        at=NOON + timedelta(seconds=after),
        labels=bytes([0, 1, 2]),
        predicted=bytes(predicted),
        probabilities=array("f", [place / 64 for place in range(30)]),
    )


def test_an_archive_that_was_never_run_has_nothing(store: EvaluationStore) -> None:
    assert store.predictions(ARCHIVE, DataKind.TEST) is None
    assert list(store.evaluated(ARCHIVE)) == []


def test_predictions_come_back_as_they_were(store: EvaluationStore) -> None:
    kept = predictions()
    store.save(kept)
    assert store.predictions(ARCHIVE, DataKind.TEST) == kept
    assert store.predictions(ARCHIVE, DataKind.TEST, DATA) == kept


def test_another_archive_kind_or_data_has_its_own(store: EvaluationStore) -> None:
    store.save(predictions())
    assert store.predictions(OTHER, DataKind.TEST) is None
    assert store.predictions(ARCHIVE, DataKind.FREEHAND) is None
    assert store.predictions(ARCHIVE, DataKind.TEST, MORE_DATA) is None


def test_without_a_name_the_newest_of_the_kind_counts(store: EvaluationStore) -> None:
    newest = predictions(data=MORE_DATA, after=10)
    store.save(newest)
    store.save(predictions(after=5))
    store.save(predictions(kind=DataKind.HARD_EXAMPLES, after=20))
    assert store.predictions(ARCHIVE, DataKind.TEST) == newest
    assert [(one.kind, one.data_sha256, one.n, one.right, one.data_name) for one in store.evaluated(ARCHIVE)] == [
        (DataKind.HARD_EXAMPLES, DATA, 3, 2, "mnist"),
        (DataKind.TEST, MORE_DATA, 3, 2, "mnist"),
        (DataKind.TEST, DATA, 3, 2, "mnist"),
    ]


def test_running_again_takes_the_place_of_what_was_there(store: EvaluationStore) -> None:
    store.save(predictions())
    again = predictions(after=60, predicted=(0, 1, 2))
    store.save(again)
    assert store.predictions(ARCHIVE, DataKind.TEST) == again
    assert [one.right for one in store.evaluated(ARCHIVE)] == [3]


def test_images_are_kept_under_the_digest_of_their_bytes(store: EvaluationStore) -> None:
    data = LabelledImages(name="two", images=bytes(range(256)) * 6 + bytes(32), labels=b"\x03\x09")
    store.save_data(data)
    store.save_data(data)
    assert store.data(data.sha256) == data


@pytest.mark.parametrize("name", ["e" * 64, "", "../../../etc/passwd", "E" * 64])
def test_images_that_are_not_kept_are_not_found(store: EvaluationStore, name: str) -> None:
    with pytest.raises(NotFoundError, match="are not kept here"):
        store.data(name)
    assert list(store.evaluated(name)) == []
