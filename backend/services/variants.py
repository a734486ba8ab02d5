"""Variants of a picture that a model has seen: a little turned, moved, thicker or thinner."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from backend.errors import InvalidInputError

SIDE: Final = 28
LARGEST_TURN: Final = 45
"""Degrees, to either side."""
LARGEST_MOVE: Final = 6
"""Pixels, in each direction."""
PENS: Final = ("thinner", "as it is", "thicker")
_FINE: Final = 4
"""The picture is bent on a grid as many times finer, so that a small turn does not break thin strokes."""


def variant(pixels: bytes, *, turn: int = 0, right: int = 0, down: int = 0, pen: str = "as it is") -> npt.NDArray[Any]:
    """The picture (784 bytes, ink bright) as uint8 [28, 28]: turned by degrees to the right, then moved by pixels.

    With nothing to change it is the very same bytes. Raises `InvalidInputError` outside of the bounds above.
    """
    if len(pixels) != SIDE * SIDE or abs(turn) > LARGEST_TURN or max(abs(right), abs(down)) > LARGEST_MOVE:
        raise InvalidInputError(
            f"Turning by {turn} degrees and moving by {right} and {down} pixels; expected at most {LARGEST_TURN} "
            f"degrees and {LARGEST_MOVE} pixels, of a picture of {SIDE} x {SIDE}."
        )
    if pen not in PENS:
        raise InvalidInputError(f"The pen is '{pen}'; expected one of {', '.join(PENS)}.")
    seen = np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE)
    picture = Image.fromarray(seen)
    if pen != "as it is" or turn:
        fine = picture.resize((SIDE * _FINE, SIDE * _FINE), Image.Resampling.BICUBIC)
        if pen == "thicker":
            fine = fine.filter(ImageFilter.MaxFilter(2 * (_FINE // 2) + 1))
        elif pen == "thinner":
            fine = fine.filter(ImageFilter.MinFilter(2 * (_FINE // 2) + 1))
        fine = fine.rotate(-turn, Image.Resampling.BICUBIC)
        picture = fine.resize((SIDE, SIDE), Image.Resampling.BOX)
    moved = np.zeros((SIDE, SIDE), np.uint8)
    content = np.asarray(picture, np.uint8)
    rows, columns = slice(max(0, down), SIDE + min(0, down)), slice(max(0, right), SIDE + min(0, right))
    from_rows, from_columns = slice(max(0, -down), SIDE - max(0, down)), slice(max(0, -right), SIDE - max(0, right))
    moved[rows, columns] = content[from_rows, from_columns]
    return moved
