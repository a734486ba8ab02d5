"""Ten known digits: what a model must say before it serves, and what a supervisor asks it ever after.

They are drawn by us, as pen strokes that take the same way as a person's drawing. A model is judged by the majority of
the ten, not by one: a poorly trained model may miss one or two, a broken one answers noise or always the same.
"""

from __future__ import annotations

from functools import cache
from math import cos, pi, sin
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.digits.normalise import normalise
from backend.digits.preprocess import preprocess
from backend.digits.strokes import Stroke, rasterise
from backend.errors import DeploymentFailedError

NEEDED: Final = 6
"""How many of the ten digits must be read right."""

Point = tuple[float, float]

_PEN: Final = 22.0
"""Width of the pen on the canvas of 280 x 280."""


@cache
def canary_images() -> npt.NDArray[np.float32]:
    """The digits 0 to 9 in order: float32 [10, 28, 28, 1] in [0, 1]."""
    pixels = [
        preprocess(rasterise([Stroke(width=_PEN, points=tuple(line)) for line in _DIGITS[digit]]))
        for digit in range(10)
    ]
    images = normalise(np.stack(pixels))
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


def _arc(centre: Point, radii: Point, begin: float, end: float, steps: int = 24) -> list[Point]:
    """Points on an ellipse; angles in half turns, 0 to the right, growing clockwise (y points down)."""
    angles = [pi * (begin + (end - begin) * step / steps) for step in range(steps + 1)]
    return [(centre[0] + radii[0] * cos(angle), centre[1] + radii[1] * sin(angle)) for angle in angles]


_DIGITS: Final[dict[int, list[list[Point]]]] = {
    0: [_arc((140, 140), (55, 85), 0, 2)],
    1: [[(150, 50), (135, 230)]],
    2: [[*_arc((135, 100), (50, 48), -1.0, 0.15), (85, 220), (200, 220)]],
    3: [[*_arc((130, 97), (48, 42), -0.85, 0.5), *_arc((130, 184), (58, 45), -0.5, 0.85)]],
    4: [[(105, 45), (65, 160), (205, 160)], [(170, 95), (160, 235)]],
    5: [[(190, 55), (105, 55), (97, 130), *_arc((130, 175), (60, 55), -0.55, 0.8)]],
    6: [[(165, 45), (115, 110), *_arc((135, 180), (48, 50), -1.0, 1.0), (92, 150)]],
    7: [[(80, 60), (195, 60), (125, 235)]],
    8: [[*_arc((145, 95), (46, 44), 0.5, 2.5), *_arc((138, 186), (52, 47), -0.5, 1.5)]],
    9: [[*_arc((135, 100), (45, 45), 0.0, 2.0), (172, 160), (160, 235)]],
}
