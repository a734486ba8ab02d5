"""The labelled drawings as one file: what an export writes, and what a training is handed."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from backend.domain.prediction import HardExample
from backend.errors import StoreError

FILE_NAME: Final = "hard-examples.npz"
_PIXELS: Final = 28 * 28


@dataclass(frozen=True, kw_only=True)
class LabelledDrawings:
    """`count` drawings in an .npz, `content`: images uint8 [count, 28, 28], labels and predicted uint8 [count].

    `sha256` names them as a test set is named: of the images' bytes followed by the labels'.
    """

    content: bytes
    count: int
    sha256: str


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
