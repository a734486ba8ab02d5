"""Digits as people draw them on the canvas: strokes through a few points, smoothed, in two hands."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from backend.digits.strokes import CANVAS, Stroke

Point = tuple[float, float]
PEN_WIDTHS: Final = (14.0, 20.0, 28.0)


def _arc(x: float, y: float, rx: float, ry: float, start: float, end: float, count: int = 9) -> list[Point]:
    """Points of an ellipse, degrees, clockwise on the screen, 0 at three o'clock."""
    angles = (math.radians(start + (end - start) * i / (count - 1)) for i in range(count))
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


_FIRST_HAND: Final[dict[int, list[list[Point]]]] = {
    0: [_arc(140, 140, 58, 85, -80, 285, 13)],
    1: [[(122, 82), (146, 55), (146, 225)]],
    2: [[*_arc(138, 98, 52, 45, -165, 25, 8), (150, 168), (88, 222), (200, 222)]],
    3: [[*_arc(132, 96, 48, 40, -150, 80, 8), *_arc(134, 180, 54, 44, -80, 145, 8)]],
    4: [[(120, 58), (82, 165), (205, 165)], [(168, 95), (164, 232)]],
    5: [[(96, 60), (90, 128), *_arc(130, 172, 56, 52, -115, 140, 9)], [(96, 60), (192, 58)]],
    6: [[(176, 52), (112, 110), (86, 170), *_arc(136, 184, 46, 44, 180, -180, 11)]],
    7: [[(82, 66), (198, 64), (160, 130), (122, 232)]],
    8: [
        [
            *_arc(140, 98, 40, 40, -60, -270, 9),
            *_arc(140, 182, 50, 46, -90, 270, 11),
            *_arc(140, 98, 40, 40, 90, -60, 7),
        ]
    ],
    9: [[*_arc(132, 104, 46, 46, -20, -360, 11), (182, 96), (176, 160), (152, 232)]],
}
_SECOND_HAND: Final[dict[int, list[list[Point]]]] = {
    0: [_arc(136, 144, 72, 78, -60, 310, 13)],
    1: [[(150, 50), (134, 228)]],
    2: [[*_arc(134, 104, 56, 50, -150, 40, 8), (112, 196), (84, 218), (112, 204), (160, 226), (206, 212)]],
    3: [[(90, 62), (186, 60), (132, 124), *_arc(126, 178, 60, 52, -70, 150, 9)]],
    4: [[(96, 62), (92, 146), (186, 142)], [(186, 62), (180, 228)]],
    5: [[(190, 62), (108, 66), (100, 124), *_arc(132, 170, 58, 48, -110, 150, 9)]],
    6: [[(150, 50), (100, 140), *_arc(138, 178, 44, 48, 175, -200, 11)]],
    7: [[(86, 76), (140, 70), (196, 62), (150, 150), (130, 230)], [(112, 148), (184, 144)]],
    8: [[(184, 72), *_arc(138, 96, 42, 36, -30, -200, 7), (160, 150), *_arc(138, 186, 46, 42, 0, 200, 7), (184, 76)]],
    9: [[(186, 78), *_arc(138, 104, 48, 44, -40, -330, 10), (186, 84), (184, 226)]],
}
HANDS: Final = (_FIRST_HAND, _SECOND_HAND)


def strokes_of(digit: int, *, width: float = 20.0, hand: int = 0, wobble: int | None = None) -> tuple[Stroke, ...]:
    """The strokes of `digit` by one of two hands; `wobble` seeds a slightly unsteady pen."""
    random = np.random.default_rng(wobble) if wobble is not None else None
    return tuple(Stroke(width=width, points=tuple(_smooth(_unsteady(points, random)))) for points in HANDS[hand][digit])


def _unsteady(points: Sequence[Point], random: np.random.Generator | None) -> list[Point]:
    if random is None:
        return list(points)
    moved = np.asarray(points) + random.normal(0, 3.0, (len(points), 2))
    return [(float(x), float(y)) for x, y in moved]


def _smooth(points: Sequence[Point]) -> list[Point]:
    """A polyline near the points as a hand moves between them: corners cut twice (Chaikin), ends kept."""
    for _ in range(2):
        cut: list[Point] = [points[0]]
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            cut += [(0.8 * x0 + 0.2 * x1, 0.8 * y0 + 0.2 * y1), (0.2 * x0 + 0.8 * x1, 0.2 * y0 + 0.8 * y1)]
        points = [*cut, points[-1]]
    return list(points)


def leaning(strokes: Sequence[Stroke], slope: float) -> tuple[Stroke, ...]:
    """The strokes as a hand writes them that leans to the left: `slope` units to the right per unit down the canvas."""
    middle = CANVAS / 2
    return tuple(
        Stroke(width=stroke.width, points=tuple((x + slope * (y - middle), y) for x, y in stroke.points))
        for stroke in strokes
    )
