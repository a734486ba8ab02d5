"""What archives said of images, as .npz files under the archive's and the data's SHA-256."""

from __future__ import annotations

import re
import secrets
import zipfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from backend.adapters.local.home import Home
from backend.domain.predictions import CLASSES, DataKind, Evaluated, LabelledImages, Predictions
from backend.errors import InvalidInputError, NotFoundError, StoreError
from backend.ports.evaluations import EvaluationStore

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class LocalEvaluations:
    """`EvaluationStore` of this machine: `evaluations/<archive>/<kind>-<data>.npz`, `evaluations/data/<data>.npz`."""

    def __init__(self, home: Home) -> None:
        self._folder = home.evaluations

    def save(self, predictions: Predictions) -> None:
        name = f"{predictions.kind.value}-{predictions.data_sha256}.npz"
        labels = np.frombuffer(predictions.labels, np.uint8)
        predicted = np.frombuffer(predictions.predicted, np.uint8)
        _write(
            self._folder / predictions.archive_sha256 / name,
            at=np.array(predictions.at.isoformat()),
            data_name=np.array(predictions.data_name),
            right=np.array([len(labels), int((labels == predicted).sum())]),
            labels=labels,
            predicted=predicted,
            probabilities=np.frombuffer(predictions.probabilities, np.float32).reshape(-1, CLASSES),
        )

    def predictions(self, archive_sha256: str, kind: DataKind, data_sha256: str = "") -> Predictions | None:
        found = [
            evaluated
            for evaluated in self.evaluated(archive_sha256)
            if evaluated.kind is kind and data_sha256 in ("", evaluated.data_sha256)
        ]
        if not found:
            return None
        newest = found[0]
        with _reading(self._folder / archive_sha256 / f"{kind.value}-{newest.data_sha256}.npz") as members:
            probabilities = array("f")
            probabilities.frombytes(members["probabilities"].astype(np.float32).tobytes())
            return Predictions(
                archive_sha256=archive_sha256,
                kind=kind,
                data_name=newest.data_name,
                data_sha256=newest.data_sha256,
                at=newest.at,
                labels=members["labels"].tobytes(),
                predicted=members["predicted"].tobytes(),
                probabilities=probabilities,
            )

    def evaluated(self, archive_sha256: str) -> Sequence[Evaluated]:
        if not _SHA256.fullmatch(archive_sha256):
            return []
        found = []
        for path in sorted((self._folder / archive_sha256).glob("*-*.npz")):
            kind, _, data = path.stem.rpartition("-")
            with _reading(path) as members:  # an .npz is unpacked member by member: the arrays stay packed
                n, right = members["right"].tolist()
                found.append(
                    Evaluated(
                        kind=DataKind(kind),
                        data_name=str(members["data_name"]),
                        data_sha256=data,
                        n=n,
                        right=right,
                        at=datetime.fromisoformat(str(members["at"])),
                    )
                )
        return sorted(found, key=lambda evaluated: evaluated.at, reverse=True)

    def save_data(self, data: LabelledImages) -> None:
        path = self._data(data.sha256)
        if not path.is_file():
            _write(
                path,
                name=np.array(data.name),
                images=np.frombuffer(data.images, np.uint8).reshape(-1, 28, 28),
                labels=np.frombuffer(data.labels, np.uint8),
            )

    def data(self, data_sha256: str) -> LabelledImages:
        path = self._data(data_sha256)
        if not _SHA256.fullmatch(data_sha256) or not path.is_file():
            raise NotFoundError(
                f"The images '{data_sha256[:12]}' are not kept here.",
                hint="They are kept once a version was evaluated on them: python -m backend evaluate VERSION",
            )
        with _reading(path) as members:
            try:
                kept = LabelledImages(
                    name=str(members["name"]), images=members["images"].tobytes(), labels=members["labels"].tobytes()
                )
            except InvalidInputError as error:
                raise StoreError(f"'{path}' cannot be used: {error.message}") from error
        if kept.sha256 != data_sha256:
            raise StoreError(
                f"'{path}' holds other images now: their SHA-256 is {kept.sha256[:12]}.",
                hint="Remove the file; the next evaluation keeps the images again.",
            )
        return kept

    def _data(self, data_sha256: str) -> Path:
        return self._folder / "data" / f"{data_sha256}.npz"


@contextmanager
def _reading(path: Path) -> Iterator[Mapping[str, Any]]:
    """The members of the file, each read when it is asked for; raises `StoreError` when one is no array."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as members:
            yield members
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise StoreError(
            f"'{path}' cannot be read: {error}", hint="Remove the file and evaluate the version again."
        ) from error


def _write(path: Path, **arrays: np.ndarray) -> None:
    """Whole or not at all: who reads meanwhile reads the file before it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with partial.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _conforms(adapter: LocalEvaluations) -> EvaluationStore:
    return adapter
