"""Files that were changed behind the store's back are told, never believed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.adapters.local.evaluations import LocalEvaluations
from backend.adapters.local.home import Home
from backend.domain.predictions import DataKind, LabelledImages
from backend.errors import StoreError
from tests.contract.test_evaluations_contract import ARCHIVE, DATA, predictions


@pytest.fixture
def store(tmp_path: Path) -> LocalEvaluations:
    return LocalEvaluations(Home(tmp_path))


def test_images_that_are_others_now_are_refused(store: LocalEvaluations, tmp_path: Path) -> None:
    data = LabelledImages(name="one", images=bytes(784), labels=b"\x03")
    store.save_data(data)
    (path,) = tmp_path.glob("evaluations/data/*.npz")
    np.savez(path, name="one", images=np.ones((1, 28, 28), np.uint8), labels=np.array([3], np.uint8))
    with pytest.raises(StoreError, match="holds other images now"):
        store.data(data.sha256)
    np.savez(path, name="one", images=np.ones((1, 28), np.uint8), labels=np.array([3], np.uint8))
    with pytest.raises(StoreError, match="cannot be used"):
        store.data(data.sha256)


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK\x03\x04 torn"])
def test_a_torn_file_is_told_with_what_to_do(store: LocalEvaluations, tmp_path: Path, content: bytes) -> None:
    store.save(predictions())
    path = tmp_path / "evaluations" / ARCHIVE / f"test-{DATA}.npz"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="cannot be read") as error:
        store.predictions(ARCHIVE, DataKind.TEST)
    assert "evaluate the version again" in error.value.hint


def test_nothing_half_written_is_left_or_read(
    store: LocalEvaluations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez_compressed", full)
        with pytest.raises(OSError, match="No space left"):
            store.save(predictions())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert store.predictions(ARCHIVE, DataKind.TEST) is None
