"""Digits that nobody can misread, drawn by us as pen strokes that take the same way as a person's drawing.

Ten of them, the canaries, are what a supervisor asks an endpoint ever after; two hundred, each digit with five pens and
shapes, are what a gate asks before production: a model that was well trained and is served with the right pictures
reads all of them, one that is fed others (other sizes, other scales of grey) does not.
"""

from __future__ import annotations

from functools import cache
from math import cos, pi, sin
from typing import Final

import numpy as np
import numpy.typing as npt

from .preprocess import preprocess
from .strokes import Stroke, rasterise

Pixels = npt.NDArray[np.uint8]
Point = tuple[float, float]

CANARY_PEN: Final = 22.0
"""Width of the pen on the canvas of 280 x 280."""
_PENS: Final = (16.0, 20.0, 24.0, 28.0)
_SHAPES: Final = ((1.0, 0.0, 0.0), (0.85, 0.0, 0.0), (1.0, 0.12, 0.0), (1.0, 0.0, 0.025), (1.0, 0.0, -0.025))
"""Width against height, slant to the right (pixels along per pixel up) and turn clockwise (half turns)."""
KNOWN_COUNT: Final = 10 * len(_PENS) * len(_SHAPES)
_MIDDLE: Final = 140.0


@cache
def canaries() -> Pixels:
    """The digits 0 to 9 in order: uint8 [10, 28, 28], ink bright."""
    pixels = np.stack([_seen(digit, CANARY_PEN, *_SHAPES[0]) for digit in range(10)])
    pixels.setflags(write=False)
    return pixels


@cache
def known_digits() -> tuple[Pixels, Pixels]:
    """Two hundred drawings uint8 [200, 28, 28] and their labels uint8 [200], each digit twenty times, in turns."""
    drawn = [(digit, pen, shape) for pen in _PENS for shape in _SHAPES for digit in range(10)]
    images = np.stack([_seen(digit, pen, *shape) for digit, pen, shape in drawn])
    labels = np.array([digit for digit, _, _ in drawn], np.uint8)
    for array in (images, labels):
        array.setflags(write=False)
    return images, labels


def _seen(digit: int, pen: float, width: float, slant: float, turn: float) -> Pixels:
    """The digit as a model sees it: uint8 [28, 28]."""
    lines = [tuple(_moved(point, width, slant, turn) for point in line) for line in _DIGITS[digit]]
    return preprocess(rasterise([Stroke(width=pen, points=line) for line in lines]))


def _moved(point: Point, width: float, slant: float, turn: float) -> Point:
    x, y = point[0] - _MIDDLE, point[1] - _MIDDLE
    x = x * width - slant * y
    c, s = cos(pi * turn), sin(pi * turn)
    return _MIDDLE + c * x - s * y, _MIDDLE + s * x + c * y


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
