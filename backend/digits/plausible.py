"""What cannot be a digit, told from its 28 x 28 pixels: a blot, a photo of something, a whole line of writing.

Ten classes always answer with one of ten digits, whatever is shown to them. The limits stand well off every digit that
we know: of 30,000 of MNIST none covers more than 35 % of its picture or falls into more than 4 pieces.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

_MOST_INK: Final = 0.48
"""A filled square of the size that digits are scaled to has 0.51; a small 8 with the thickest pen has 0.45."""
_MOST_PIECES: Final = 5
_INKED: Final = 128
_CONNECTED: Final = 64
"""Grey level that still joins two strokes: anti-aliased ones touch in grey."""
_LEAST_PIECE: Final = 6
"""Pixels of a piece that counts; less is dust."""


def require_digit(seen: Pixels) -> None:
    """Raise ValueError, which says why, when `seen` (uint8 [28, 28], ink bright) cannot be one digit."""
    covered = float((seen >= _INKED).mean())
    if covered > _MOST_INK:
        raise ValueError(
            f"This is no digit: ink covers {covered:.0%} of what the model would see; digits cover at most 35 % or so."
        )
    pieces = sum(size >= _LEAST_PIECE for size in _pieces(seen >= _CONNECTED))
    if pieces > _MOST_PIECES:
        raise ValueError(f"This is no digit: there are {pieces} separate shapes. Show one digit alone.")


def _pieces(inked: npt.NDArray[np.bool_]) -> list[int]:
    """Pixels of each connected shape, neighbours at the corners included."""
    left = {(int(row), int(column)) for row, column in np.argwhere(inked)}
    sizes = []
    while left:
        edge, size = [left.pop()], 0
        while edge:
            row, column = edge.pop()
            size += 1
            near = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & left
            left -= near
            edge.extend(near)
        sizes.append(size)
    return sizes
