"""The labelled drawings as one file: what an export writes, and what a training is handed."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from backend.domain.prediction import HardExample
from backend.domain.predictions import LabelledImages
from backend.domain.training import Value
from backend.errors import StoreError
from backend.ports.training import Channel

FILE_NAME: Final = "hard-examples.npz"
CHANNEL: Final = "hard_examples"
"""The input channel; the hyperparameter of that name is the drawings' share of each batch."""
SET: Final = "hard_examples_set"
"""The hyperparameter that says which drawings: those of now or a set; a job has the SHA-256 of what it was given."""
_PIXELS: Final = 28 * 28


@dataclass(frozen=True, kw_only=True)
class LabelledDrawings:
    """`count` drawings in an .npz, `content`: images uint8 [count, 28, 28], labels and predicted uint8 [count].

    `sha256` names them as a test set is named: of the images' bytes followed by the labels'.
    """

    content: bytes
    count: int
    sha256: str

    def images(self, name: str) -> LabelledImages:
        """As the data set `name` that a version is tried on; raises `InvalidInputError` when there are none."""
        with np.load(io.BytesIO(self.content), allow_pickle=False) as members:
            return LabelledImages(name=name, images=members["images"].tobytes(), labels=members["labels"].tobytes())


def pack(examples: Sequence[HardExample]) -> LabelledDrawings:
    """All of `examples` (newest first), oldest first; of a drawing that was labelled anew, the newest label only.

    The same examples give the same bytes. Raises `StoreError` for one that is no picture of 28 x 28.
    """
    newest: dict[bytes, HardExample] = {}
    for example in examples:
        if len(example.pixels) != _PIXELS:
            raise StoreError(f"Hard example '{example.id}' has {len(example.pixels)} pixels; expected {_PIXELS}.")
        newest.setdefault(example.pixels, example)
    kept = list(reversed(newest.values()))
    images = np.frombuffer(b"".join(example.pixels for example in kept), np.uint8).reshape(-1, 28, 28)
    labels = np.array([example.label for example in kept], np.uint8)
    content = io.BytesIO()
    np.savez_compressed(
        content, images=images, labels=labels, predicted=np.array([example.predicted for example in kept], np.uint8)
    )
    digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    return LabelledDrawings(content=content.getvalue(), count=len(kept), sha256=digest)


def channels(drawings: LabelledDrawings | None) -> dict[str, Channel]:
    """How a platform gets them."""
    return {CHANNEL: {FILE_NAME: drawings.content}} if drawings else {}


def told(drawings: LabelledDrawings | None) -> dict[str, Any]:
    """How an audit event names them."""
    return {CHANNEL: {"n": drawings.count, "sha256": drawings.sha256}} if drawings else {}


def named(values: Mapping[str, Value], drawings: LabelledDrawings | None) -> dict[str, Value]:
    """The hyperparameters of a job that is given these drawings: they name them by their SHA-256."""
    return {**values, SET: drawings.sha256} if drawings else dict(values)
