"""Pen strokes in a square of 280 x 280: validation of what a browser sends, and their picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

CANVAS: Final = 280
"""Side of the square that the coordinates live in, whatever its size on a screen."""
MAX_STROKES: Final = 2_000
MAX_POINTS: Final = 20_000
MIN_WIDTH: Final = 1.0
MAX_WIDTH: Final = 100.0
_FARTHEST: Final = 10_000.0
"""A captured pointer may leave the square; farther than any screen is not a pointer."""
_SUPERSAMPLING: Final = 4


@dataclass(frozen=True, kw_only=True)
class Stroke:
    """One line of the pen: its width and the points it went through, in canvas units, x to the right and y down."""

    width: float
    points: tuple[tuple[float, float], ...]


def parse_strokes(raw: object) -> tuple[Stroke, ...]:
    """Strokes from untrusted JSON: a list of `{"width": w, "points": [[x, y], ...]}`.

    Raises ValueError that says which stroke is wrong and what was expected: at most 2,000 strokes and 20,000 points in
    all, at least one point in each, finite numbers, widths from 1 to 100.
    """
    if not isinstance(raw, list | tuple):
        raise ValueError(f"A drawing is a list of strokes; got {type(raw).__name__}.")  # noqa: TRY004
    if len(raw) > MAX_STROKES:
        raise ValueError(f"The drawing has {len(raw)} strokes; at most {MAX_STROKES} are taken.")
    strokes: list[Stroke] = []
    total = 0
    for number, item in enumerate(raw, start=1):
        stroke = _parse_stroke(item, number, MAX_POINTS - total)
        total += len(stroke.points)
        strokes.append(stroke)
    return tuple(strokes)


def to_json(strokes: Sequence[Stroke]) -> list[dict[str, Any]]:
    """What `parse_strokes` takes: plain lists, dicts and numbers."""
    return [{"width": stroke.width, "points": [list(point) for point in stroke.points]} for stroke in strokes]


def rasterise(strokes: Sequence[Stroke], size: int = CANVAS) -> npt.NDArray[np.uint8]:
    """The drawing as uint8 [size, size], ink 255 on 0, anti-aliased, with round ends and joins.

    A stroke of one point is a dot of the pen's width. What lies outside the canvas is cut off.
    """
    scale = size * _SUPERSAMPLING / CANVAS
    image = Image.new("L", (size * _SUPERSAMPLING, size * _SUPERSAMPLING))
    pen = ImageDraw.Draw(image)
    for stroke in strokes:
        _draw(pen, stroke, scale)
    return np.asarray(image.reduce(_SUPERSAMPLING))


def _parse_stroke(item: object, number: int, points_left: int) -> Stroke:
    if not isinstance(item, dict) or not {"width", "points"} <= item.keys():
        raise ValueError(f"Stroke {number} has no 'width' and 'points'.")
    width, points = _number(item["width"]), item["points"]
    if width is None or not MIN_WIDTH <= width <= MAX_WIDTH:
        raise ValueError(f"Stroke {number} has the width '{item['width']!s:.40}'; expected {MIN_WIDTH}..{MAX_WIDTH}.")
    if not isinstance(points, list | tuple) or not points:
        raise ValueError(f"Stroke {number} has no points.")
    if len(points) > points_left:
        raise ValueError(f"The drawing has more than {MAX_POINTS} points, at stroke {number}.")
    return Stroke(width=width, points=tuple(_parse_point(point, number) for point in points))


def _parse_point(point: object, number: int) -> tuple[float, float]:
    if isinstance(point, list | tuple) and len(point) == 2:
        x, y = _number(point[0]), _number(point[1])
        if x is not None and y is not None and max(abs(x), abs(y)) <= _FARTHEST:
            return x, y
    raise ValueError(f"Stroke {number} has the point '{point!s:.40}'; expected two finite numbers.")


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _draw(pen: ImageDraw.ImageDraw, stroke: Stroke, scale: float) -> None:
    points = [(x * scale, y * scale) for x, y in stroke.points]
    radius = stroke.width * scale / 2
    if len(points) > 1:
        pen.line(points, fill=255, width=max(1, round(2 * radius)))
    # A disc on every point: round ends and joins at any angle, which Pillow's own joints are not.
    for x, y in points:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
