from __future__ import annotations

import numpy as np
import pytest

from backend.adapters.triton.answers import require_probabilities
from backend.adapters.triton.canary import NEEDED, canary_images, require_canaries
from backend.errors import DeploymentFailedError

RIGHT = np.eye(10, dtype=np.float32)


def test_the_known_digits_are_ten_images_as_models_take_them() -> None:
    images = canary_images()
    assert images.shape == (10, 28, 28, 1)
    assert images.dtype == np.float32
    assert 0.0 <= images.min() < images.max() <= 1.0
    for image in images:
        ink = np.argwhere(image[..., 0] > 0.5)
        assert 18 <= (ink.max(axis=0) - ink.min(axis=0) + 1).max() <= 20


def test_the_majority_decides() -> None:
    assert require_canaries(RIGHT, who="Version 1") == "10 of 10 known digits read right"
    enough = RIGHT.copy()
    enough[NEEDED:] = np.roll(enough[NEEDED:], 1, axis=1)
    assert require_canaries(enough, who="Version 1").startswith(f"{NEEDED} of 10")


@pytest.mark.parametrize("digit", range(10))
def test_a_model_that_always_says_the_same_is_refused(digit: int) -> None:
    always = np.repeat(RIGHT[digit : digit + 1], 10, axis=0)
    with pytest.raises(DeploymentFailedError, match="reads 1 of 10 known digits right"):
        require_canaries(always, who="Version 1")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "NoneType"),
        (RIGHT[:9], r"\[9, 10\], expected float32 \[10, 10\]"),
        (RIGHT.astype(np.float64), "float64"),
        (RIGHT * np.nan, "not finite"),
        (RIGHT * 2, "sums to 2"),
        (RIGHT - np.roll(RIGHT, 1, axis=1) + np.roll(RIGHT, 2, axis=1), "least value is -1"),
    ],
)
def test_what_is_not_ten_probabilities_is_refused(answer: object, said: str) -> None:
    with pytest.raises(DeploymentFailedError, match=said):
        require_probabilities(answer, count=10, who="The model")
