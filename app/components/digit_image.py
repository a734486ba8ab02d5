"""A 28 x 28 image as the model sees it: crisp squares, ink white on black."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import streamlit as st
from PIL import Image

SIDE: Final = 28


def digit_image(pixels: np.ndarray[Any, np.dtype[np.uint8]] | bytes, *, alt: str, width: int = 112) -> None:
    """Show `pixels` (uint8 [28, 28] or its 784 bytes, row by row, 255 = ink), `width` CSS pixels wide.

    `alt` says what is seen to those who cannot see it. Raises ValueError for anything but 784 uint8 values.
    """
    st.image(enlarged(pixels, width), width=width, alt=alt, output_format="PNG")


def enlarged(pixels: np.ndarray[Any, np.dtype[np.uint8]] | bytes, width: int) -> Image.Image:
    """Every pixel repeated to whole squares, at least twice `width` for dense screens: no browser can blur it then."""
    values = np.frombuffer(pixels, dtype=np.uint8) if isinstance(pixels, bytes) else np.asarray(pixels)
    if values.dtype != np.uint8 or values.size != SIDE * SIDE:
        raise ValueError(f"A digit image is 28 x 28 uint8: got {values.shape} {values.dtype}.")
    times = -(-2 * width // SIDE)
    return Image.fromarray(np.kron(values.reshape(SIDE, SIDE), np.ones((times, times), dtype=np.uint8)))
