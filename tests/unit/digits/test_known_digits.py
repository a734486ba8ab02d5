from __future__ import annotations

import numpy as np

from backend.digits.known_digits import KNOWN_COUNT, canaries, known_digits


def test_two_hundred_digits_each_as_often() -> None:
    images, labels = known_digits()
    assert (images.shape, images.dtype) == ((200, 28, 28), np.uint8)
    assert KNOWN_COUNT == len(labels) == 200
    assert np.bincount(labels).tolist() == [20] * 10
    assert len({image.tobytes() for image in images}) == 200


def test_they_are_inked_and_centred_as_a_model_expects() -> None:
    for image in [*known_digits()[0], *canaries()]:
        rows, columns = np.nonzero(image > 127)
        assert 18 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
        assert image[0].max() == image[:, 0].max() == 0


def test_nobody_can_change_them_for_the_next() -> None:
    assert not any(array.flags.writeable for array in (*known_digits(), canaries()))
