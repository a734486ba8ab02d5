from __future__ import annotations

import numpy as np
import pytest

from backend.services import occlusion


def test_each_of_64_squares_is_covered_once_and_all_of_the_picture_by_them() -> None:
    image = np.ones((28, 28, 1), np.float32)
    copies = occlusion.covered(image)
    assert copies.shape == (64, 28, 28, 1)
    assert copies.dtype == np.float32
    assert {int(784 - copy.sum()) for copy in copies} == {49}
    assert (copies.min(axis=0) == 0).all()
    assert image.min() == 1, "the picture itself was changed"


def test_the_drop_is_where_covering_cost_confidence() -> None:
    image = np.zeros((28, 28, 1), np.float32)
    image[2:6, 22:26] = 1  # all that this model looks at
    after = [float(copy.sum()) / 16 for copy in occlusion.covered(image)]
    drops = occlusion.drops(1.0, after)
    assert drops.shape == (28, 28)
    assert drops[2:6, 22:26].mean() > 0.4
    assert np.abs(drops[:, :14]).max() == 0
    row, column = np.unravel_index(drops.argmax(), drops.shape)
    assert (row < 9, column > 18) == (True, True)


def test_where_covering_helps_the_drop_is_below_zero() -> None:
    drops = occlusion.drops(0.4, [0.9] * 64)
    assert drops == pytest.approx(np.full((28, 28), -0.5))
