from __future__ import annotations

import numpy as np
import pytest

from backend.errors import InvalidInputError
from backend.services.variants import variant

STROKE = np.zeros((28, 28), np.uint8)
STROKE[5:23, 13:16] = 255
SEEN = STROKE.tobytes()


def test_unchanged_it_is_the_very_same_picture() -> None:
    assert variant(SEEN).tobytes() == SEEN


def test_it_moves_by_whole_pixels_and_what_leaves_is_gone() -> None:
    moved = variant(SEEN, right=3, down=-6)
    assert moved[0:17, 16:19].min() == 255
    assert int(moved.sum()) == 255 * 18 * 3 - 255 * 3
    assert np.array_equal(variant(SEEN, right=-2), np.roll(STROKE, -2, axis=1))


def test_turned_to_the_right_the_top_goes_right() -> None:
    turned = variant(SEEN, turn=20)
    columns = np.arange(28)
    top, bottom = (float((turned[rows] * columns).sum() / turned[rows].sum()) for rows in (slice(5, 9), slice(19, 23)))
    assert top > 15 > bottom


def test_the_pen_adds_ink_or_takes_it() -> None:
    thinner, thicker = variant(SEEN, pen="thinner").sum(), variant(SEEN, pen="thicker").sum()
    assert 0 < thinner < STROKE.sum() < thicker


@pytest.mark.parametrize("wrong", [{"turn": 46}, {"right": 7}, {"down": -7}, {"pen": "quill"}])
def test_what_is_out_of_bounds_is_refused(wrong: dict) -> None:
    with pytest.raises(InvalidInputError, match="expected"):
        variant(SEEN, **wrong)
