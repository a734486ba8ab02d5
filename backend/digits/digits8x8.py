"""Scikit-learn's 1,797 small digits (UCI, Alpaydin and Kaynak 1998), brought to MNIST's look.

They are there when MNIST is not. Every test and validation image is one of them as it is; each training image comes in
several thicknesses, widths and slants, because 1,300 blurred digits alone teach little about what people draw.
"""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from .preprocess import preprocess

Pixels = npt.NDArray[np.uint8]
Grey = npt.NDArray[np.float32]

_ENLARGED: Final = 40
_EDGE: Final = 3.0
"""Enlarging by five blurs every edge; contrast about the middle grey makes ink of it again."""
_MIDDLE_GREY: Final = 127.5
_THICKNESSES: Final = (90.0, 127.5, 165.0)
"""The grey that becomes the edge of the ink: a low one makes a broad pen."""
_WIDTHS: Final = (1.0, 1.35)
"""The originals were squeezed into a square."""
_SLANTS: Final = (-0.15, 0.2)
_ROUNDS: Final = 3
"""An epoch is then about as long as one of MNIST, and the same recipes suit both."""


def load() -> tuple[Grey, Pixels]:
    """All small digits, float32 [1797, 40, 40] in 0..255, smoothly enlarged, and their labels uint8 [1797]."""
    from sklearn.datasets import load_digits

    bundle = load_digits()
    small = (bundle.images * (255.0 / 16.0)).astype(np.float32)
    size = (_ENLARGED, _ENLARGED)
    images = np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)) for image in small])
    return images, bundle.target.astype(np.uint8)


def plain(enlarged: Grey) -> Pixels:
    """Each digit once, placed as MNIST's are: uint8 [n, 28, 28]."""
    return np.stack([preprocess(_inked(image, _MIDDLE_GREY)) for image in enlarged])


def varied(enlarged: Grey, labels: Pixels, limit: int = 0) -> tuple[Pixels, Pixels]:
    """Each digit as it is and in twelve variants, all of them three times over; `limit` keeps the first, if not 0.

    First come all the plain ones, then all of the first variant, and so on.
    """
    images = [plain(enlarged)]
    for thickness, width, slant in itertools.product(_THICKNESSES, _WIDTHS, _SLANTS):
        if limit and len(images) * len(labels) >= limit:
            break
        images.append(np.stack([_variant(image, thickness, width, slant) for image in enlarged]))
    once, once_labels = np.concatenate(images), np.tile(labels, len(images))
    end = limit or None
    return np.tile(once, (_ROUNDS, 1, 1))[:end], np.tile(once_labels, _ROUNDS)[:end]


def _variant(image: Grey, thickness: float, width: float, slant: float) -> Pixels:
    side = _ENLARGED * 2
    middle, centre = side / 2, _ENLARGED / 2
    # From the place in the new picture to the place in the old one: x is squeezed and slanted about the middle.
    across = (1 / width, slant, centre - middle / width - slant * middle)
    down = (0.0, 1.0, centre - middle)
    moved = Image.fromarray(image).transform(
        (side, side), Image.Transform.AFFINE, across + down, resample=Image.Resampling.BILINEAR
    )
    return preprocess(_inked(np.asarray(moved), thickness))


def _inked(image: Grey, edge: float) -> Pixels:
    sharpened = np.clip((image - edge) * _EDGE + _MIDDLE_GREY, 0, 255).astype(np.uint8)
    # A digit so faint that no grey reaches the edge is kept as it is.
    return sharpened if sharpened.max() > _MIDDLE_GREY else np.clip(image, 0, 255).astype(np.uint8)
