"""The one place where pixels become what the network takes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SIDE = 28
"""Height and width of an image, in pixels."""


def normalise(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Pixels uint8 [N, 28, 28] in 0..255, ink bright on black, as float32 [N, 28, 28, 1] in 0..1.

    Training, evaluation, drawing and uploads all call this. It takes nothing but uint8, so that pixels cannot be
    scaled twice or not at all: raises ValueError for any other type or shape.
    """
    if images.dtype != np.uint8:
        raise ValueError(f"Images are {images.dtype}; expected uint8 in 0..255, not yet normalised.")
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise ValueError(f"Images have shape {list(images.shape)}; expected [N, {SIDE}, {SIDE}].")
    return (images.astype(np.float32) / np.float32(255.0))[..., np.newaxis]
