from __future__ import annotations

import numpy as np
import pytest

from backend.digits import freehand
from backend.digits.plausible import require_digit
from backend.digits.preprocess import preprocess
from backend.digits.strokes import parse_strokes, rasterise


def test_no_drawn_digit_is_refused() -> None:
    images, _ = freehand.held_out()
    for image in images:
        require_digit(image)


def test_a_thick_pen_and_a_dashed_line_are_digits_still() -> None:
    thick = [{"width": 34, "points": [[90, 90], [190, 90], [190, 190], [90, 190], [90, 90], [190, 190]]}]
    dashed = [{"width": 12, "points": [[140, y], [140, y + 20]]} for y in range(20, 220, 50)]
    for strokes in (thick, dashed):
        require_digit(preprocess(rasterise(parse_strokes(strokes))))


def test_a_blot_is_refused_with_its_size() -> None:
    blot = np.zeros((28, 28), np.uint8)
    blot[4:24, 4:24] = 255
    with pytest.raises(ValueError, match=r"ink covers 51% of what the model would see"):
        require_digit(blot)


def test_a_line_of_writing_is_refused_with_the_number_of_shapes() -> None:
    writing = np.zeros((28, 28), np.uint8)
    for column in range(1, 28, 4):
        writing[10:18, column : column + 2] = 255
    with pytest.raises(ValueError, match="7 separate shapes"):
        require_digit(writing)


def test_dust_is_no_shape() -> None:
    one = np.zeros((28, 28), np.uint8)
    one[4:24, 13:16] = 255
    one[::5, ::6] = 255
    require_digit(one)
