from __future__ import annotations

import numpy as np
import pytest

from backend.digits.normalise import normalise


def test_the_whole_range_of_pixels_becomes_zero_to_one() -> None:
    images = np.zeros((2, 28, 28), np.uint8)
    images[1, 3, 4] = 255
    images[1, 5, 6] = 51

    normalised = normalise(images)

    assert normalised.dtype == np.float32
    assert normalised.shape == (2, 28, 28, 1)
    assert (normalised.min(), normalised.max()) == (0.0, 1.0)
    assert normalised[1, 3, 4, 0] == 1.0
    assert normalised[1, 5, 6, 0] == pytest.approx(0.2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.bool_])
def test_what_is_not_uint8_is_refused_so_that_nothing_is_scaled_twice(dtype: type) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        normalise(np.zeros((1, 28, 28), dtype))


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28, 1), (1, 27, 28), (1, 784)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \[N, 28, 28\]"):
        normalise(np.zeros(shape, np.uint8))
