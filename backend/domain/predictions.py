"""What an archive said of every image of a data set: the evidence of each comparison."""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from backend.domain.evaluation import Performance
from backend.domain.statistics import Pair
from backend.errors import DifferentDataError, InvalidInputError

PIXELS: Final = 28 * 28
CLASSES: Final = 10


class DataKind(Enum):
    """`test`: the fixed test set. `freehand`: held-out drawings. `hard_examples`: drawings that people corrected."""

    TEST = "test"
    FREEHAND = "freehand"
    HARD_EXAMPLES = "hard_examples"


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """Images as bytes [n * 784] (28 x 28, ink bright, 0..255) and their labels as bytes [n], each 0..9.

    Raises `InvalidInputError` when the two do not fit, and when there are none.
    """

    name: str
    images: bytes
    labels: bytes

    def __post_init__(self) -> None:
        if not self.labels or len(self.images) != PIXELS * len(self.labels) or max(self.labels) >= CLASSES:
            raise InvalidInputError(
                f"Data set '{self.name}' has {len(self.images)} bytes of images and {len(self.labels)} labels; "
                f"expected {PIXELS} bytes for each label, and labels from 0 to 9."
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def sha256(self) -> str:
        """The name of the data: of the images' bytes and then the labels'."""
        return hashlib.sha256(self.images + self.labels).hexdigest()

    def pixels(self, place: int) -> bytes:
        """One image, 784 bytes row by row."""
        return self.images[place * PIXELS : (place + 1) * PIXELS]


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What the archive `archive_sha256`, which was itself run at `at`, said of the `n` images `data_sha256`.

    `labels` and `predicted` are bytes [n], each 0..9; `probabilities` float32 [n * 10], image by image.
    """

    archive_sha256: str
    kind: DataKind
    data_name: str
    data_sha256: str
    at: datetime
    labels: bytes
    predicted: bytes
    probabilities: array[float]

    @property
    def n(self) -> int:
        return len(self.labels)

    @property
    def right(self) -> int:
        """How many images were read right."""
        return sum(map(int.__eq__, self.labels, self.predicted))

    @property
    def accuracy(self) -> float:
        return self.right / self.n

    @property
    def confusion(self) -> tuple[tuple[int, ...], ...]:
        """`confusion[actual][predicted]` counts images, 10 x 10."""
        counts = [[0] * CLASSES for _ in range(CLASSES)]
        for label, predicted in zip(self.labels, self.predicted, strict=True):
            counts[label][predicted] += 1
        return tuple(map(tuple, counts))

    @property
    def recall(self) -> tuple[float, ...]:
        """By digit, the share that was read right; 0 for a digit without images."""
        return tuple(row[digit] / sum(row) if sum(row) else 0.0 for digit, row in enumerate(self.confusion))

    def of_image(self, place: int) -> tuple[float, ...]:
        """The ten probabilities of one image."""
        return tuple(self.probabilities[place * CLASSES : (place + 1) * CLASSES])


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """One data set that an archive was run on, without the predictions."""

    kind: DataKind
    data_name: str
    data_sha256: str
    n: int
    right: int
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Flips:
    """Places of the images on which just one of the two is right: `fixed` by the candidate, `broken` by it."""

    fixed: tuple[int, ...]
    broken: tuple[int, ...]
    n: int

    @property
    def pair(self) -> Pair:
        return Pair(fixed=len(self.fixed), broken=len(self.broken), n=self.n)


def flips(candidate: Predictions, base: Predictions) -> Flips:
    """Where the two differ in being right; raises `DifferentDataError` unless they saw the very same images."""
    if candidate.data_sha256 != base.data_sha256 or candidate.labels != base.labels:
        raise DifferentDataError(
            f"The two were tried on different data: '{candidate.data_name}' ({candidate.data_sha256[:12]}, "
            f"{candidate.n:,} images) and '{base.data_name}' ({base.data_sha256[:12]}, {base.n:,} images).",
            hint="Evaluate both on the same data: python -m backend evaluate VERSION --data SHA256",
        )
    fixed, broken = [], []
    for place, (label, new, old) in enumerate(zip(base.labels, candidate.predicted, base.predicted, strict=True)):
        if new != old:
            if new == label:
                fixed.append(place)
            elif old == label:
                broken.append(place)
    return Flips(fixed=tuple(fixed), broken=tuple(broken), n=base.n)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One data set that an archive has just been run on; `probabilities` float32 [n * 10], image by image."""

    kind: DataKind
    data: LabelledImages
    probabilities: array[float]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What came of running an archive: its answers on each data set, and how large and fast its model is here."""

    tried: tuple[Tried, ...]
    performance: Performance
