"""Images of the test set to try, told apart by how versions fared on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from backend.domain.predictions import CLASSES, LabelledImages, Predictions

HARD_SHARE: Final = 0.1
"""Of a digit's images that are read right, those of which the versions are least sure are called hard."""


class Difficulty(Enum):
    """`wrong`: a version read it as another digit. `hard`: all read it right, and were among the least sure. `easy`:
    the rest."""

    EASY = "easy"
    HARD = "hard"
    WRONG = "wrong"


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The images, and what the `judges` (numbers of versions) made of each.

    `difficulties` and `sure` have an entry for each image; `sure` is the lowest probability that a judge gave the true
    label. Both are empty where no version was run on the images.
    """

    data: LabelledImages
    judges: tuple[int, ...] = ()
    difficulties: tuple[Difficulty, ...] = ()
    sure: tuple[float, ...] = ()

    def places(self, digit: int | None = None, difficulty: Difficulty | None = None) -> tuple[int, ...]:
        """Places of the images of the digit and difficulty, None for all; those of one difficulty hardest first."""
        found = [
            place
            for place, label in enumerate(self.data.labels)
            if digit in (None, label)
            and (difficulty is None or (self.judges and self.difficulties[place] is difficulty))
        ]
        return tuple(sorted(found, key=self.sure.__getitem__) if difficulty in _BY_SURENESS and self.judges else found)


_BY_SURENESS: Final = (Difficulty.HARD, Difficulty.WRONG)


def judged(data: LabelledImages, judges: Sequence[tuple[int, Predictions]]) -> Samples:
    """`data` with what each version, by its number, said of these very images."""
    labels = data.labels
    sure = [
        min(said.probabilities[place * CLASSES + label] for _, said in judges) for place, label in enumerate(labels)
    ]
    wrong = {place for _, said in judges for place, label in enumerate(labels) if said.predicted[place] != label}
    hard: set[int] = set()
    for digit in range(CLASSES):
        right = [place for place, label in enumerate(labels) if label == digit and place not in wrong]
        hard.update(sorted(right, key=sure.__getitem__)[: round(HARD_SHARE * len(right))])
    difficulties = tuple(
        Difficulty.WRONG if place in wrong else Difficulty.HARD if place in hard else Difficulty.EASY
        for place in range(len(labels))
    )
    return Samples(data=data, judges=tuple(number for number, _ in judges), difficulties=difficulties, sure=tuple(sure))
