"""Which parts of a picture an answer rests on: cover each in turn and see how much of the confidence goes.

Occlusion sensitivity, after Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (ECCV 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

SIDE: Final = 28
PATCH: Final = 7
_STARTS: Final = range(0, SIDE - PATCH + 1, 3)

Images = npt.NDArray[np.float32]


def covered(image: Images) -> Images:
    """`image` [28, 28, 1] in 0..1 with each of 64 overlapping squares of 7 x 7 blackened: [64, 28, 28, 1]."""
    copies = np.repeat(image[np.newaxis], len(_STARTS) ** 2, axis=0)
    for copy, (top, left) in zip(copies, _squares(), strict=True):
        copy[top : top + PATCH, left : left + PATCH] = 0.0
    return copies


def drops(before: float, after: Sequence[float]) -> npt.NDArray[np.float64]:
    """By pixel [28, 28], how much lower the probability `before` is, on average, when a square over it is covered.

    `after` are the probabilities of the same digit for what `covered` made, in its order. Below 0 where covering helps.
    """
    total, times = np.zeros((SIDE, SIDE)), np.zeros((SIDE, SIDE))
    for probability, (top, left) in zip(after, _squares(), strict=True):
        total[top : top + PATCH, left : left + PATCH] += before - probability
        times[top : top + PATCH, left : left + PATCH] += 1
    return total / times


def _squares() -> list[tuple[int, int]]:
    return [(top, left) for top in _STARTS for left in _STARTS]
