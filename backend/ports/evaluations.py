"""What archives said of images, kept for good: of the archive and of the data only their SHA-256 counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from backend.domain.predictions import DataKind, Evaluated, LabelledImages, Predictions


class EvaluationStore(Protocol):
    def save(self, predictions: Predictions) -> None:
        """Keep them; they take the place of earlier ones of the same archive on the same data."""
        ...

    def predictions(self, archive_sha256: str, kind: DataKind, data_sha256: str = "") -> Predictions | None:
        """Those on the data `data_sha256`, or without one the newest of the kind; None when there are none.

        Raises `StoreError` when what is kept cannot be read.
        """
        ...

    def evaluated(self, archive_sha256: str) -> Sequence[Evaluated]:
        """Every data set that the archive was run on, newest first; empty when it never was. Reads no predictions."""
        ...

    def save_data(self, data: LabelledImages) -> None:
        """Keep the images under their SHA-256, for galleries and for other archives; the second time does nothing."""
        ...

    def data(self, data_sha256: str) -> LabelledImages:
        """Raises `NotFoundError` when they are not kept, `StoreError` when what is kept is something else now."""
        ...
