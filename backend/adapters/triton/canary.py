"""Ten known digits: what a model must say before it serves, and what a supervisor asks it ever after.

They are drawn by us (`backend.digits.known_digits`). A model is judged by the majority of
the ten, not by one: a poorly trained model may miss one or two, a broken one answers noise or always the same.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.digits.known_digits import canaries
from backend.digits.normalise import normalise
from backend.errors import DeploymentFailedError

NEEDED: Final = 6
"""How many of the ten digits must be read right."""


@cache
def canary_images() -> npt.NDArray[np.float32]:
    """The digits 0 to 9 in order: float32 [10, 28, 28, 1] in [0, 1]."""
    images = normalise(canaries())
    images.setflags(write=False)
    return images


def require_canaries(probabilities: npt.NDArray[np.float32], *, who: str) -> str:
    """Judge the answer [10, 10] to `canary_images`; returns what was observed, as a sentence.

    Raises `DeploymentFailedError` when fewer than `NEEDED` digits are read right.
    """
    labels = probabilities.argmax(axis=1).tolist()
    right = sum(label == digit for digit, label in enumerate(labels))
    if right < NEEDED:
        raise DeploymentFailedError(
            f"{who} reads {right} of 10 known digits right, expected at least {NEEDED}: "
            f"0 to 9 are read as {', '.join(map(str, labels))}.",
            hint="Evaluate the model; its training or its export went wrong.",
        )
    return f"{right} of 10 known digits read right"
