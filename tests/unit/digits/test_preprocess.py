from __future__ import annotations

import numpy as np
import pytest

from backend.digits.preprocess import preprocess
from backend.digits.strokes import Stroke, rasterise
from tests.fakes.freehand import PEN_WIDTHS, strokes_of

DIGITS = range(10)
NEAR = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]


def centre_of_mass(image: np.ndarray) -> tuple[float, float]:
    weights = image.astype(float) / image.sum()
    places = np.arange(28) + 0.5
    return float((weights.sum(axis=1) * places).sum()), float((weights.sum(axis=0) * places).sum())


def extent(image: np.ndarray) -> tuple[int, int]:
    rows, columns = image.nonzero()
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def moved(strokes: tuple[Stroke, ...], scale: float, x: float, y: float) -> list[Stroke]:
    return [
        Stroke(width=stroke.width * scale, points=tuple((px * scale + x, py * scale + y) for px, py in stroke.points))
        for stroke in strokes
    ]


@pytest.mark.parametrize("width", PEN_WIDTHS)
@pytest.mark.parametrize("digit", DIGITS)
def test_a_digit_is_placed_as_in_mnist(digit: int, width: float) -> None:
    seen = preprocess(rasterise(strokes_of(digit, width=width)))

    assert seen.shape == (28, 28)
    assert seen.dtype == np.uint8
    assert max(extent(seen)) == 20
    assert centre_of_mass(seen) == pytest.approx((14, 14), abs=0.5)
    assert seen.max() == 255


@pytest.mark.parametrize("digit", DIGITS)
def test_where_it_was_drawn_makes_no_difference(digit: int) -> None:
    here, there = moved(strokes_of(digit), 0.5, 0, 0), moved(strokes_of(digit), 0.5, 137, 126)

    assert np.array_equal(preprocess(rasterise(here)), preprocess(rasterise(there)))


@pytest.mark.parametrize("digit", DIGITS)
def test_how_large_it_was_drawn_makes_little_difference(digit: int) -> None:
    whole = preprocess(rasterise(strokes_of(digit)))
    small = preprocess(rasterise(moved(strokes_of(digit), 0.4, 30, 20)))

    # A centre of mass on the edge between two pixels may go to either, as in MNIST.
    alike = [np.corrcoef(whole.ravel(), np.roll(small, (y, x), (0, 1)).ravel())[0, 1] for y, x in NEAR]
    assert max(alike) > 0.9


def test_a_thin_pen_is_as_bright_as_mnist_not_a_faint_grey() -> None:
    seen = preprocess(rasterise(strokes_of(3, width=4)))

    assert np.percentile(seen[seen > 25], 75) > 200


def test_ink_is_never_cut_off_to_centre_it() -> None:
    image = np.zeros((100, 100), np.uint8)
    image[:20, :20] = 255
    image[99, 99] = 255  # far from the centre of mass, which would push it out

    seen = preprocess(image)

    assert extent(seen) == (20, 20)


def test_one_dot_and_one_row_are_pictures_too() -> None:
    dot, row = np.zeros((50, 60), np.uint8), np.zeros((50, 60), np.uint8)
    dot[10, 10] = 3
    row[20] = 255

    assert extent(preprocess(dot)) == (20, 20)
    assert extent(preprocess(row)) == (1, 20)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((280, 280), np.uint8),
        np.zeros((0, 5), np.uint8),
        np.ones((28, 28), np.float32),
        np.ones((28, 28, 3), np.uint8),
    ],
    ids=["blank", "no pixels", "floats", "colours"],
)
def test_what_has_no_ink_or_is_no_picture_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"empty|expected uint8"):
        preprocess(image)
