"""From a drawing or a photo to what the network was trained on: a digit placed as in MNIST.

MNIST's own recipe (http://yann.lecun.com/exdb/mnist/): fit the ink into 20 x 20 keeping its aspect, with anti-aliasing,
and put its centre of mass into the middle of 28 x 28.
"""

from __future__ import annotations

import io
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

Pixels = npt.NDArray[np.uint8]

SIDE: Final = 28
BOX: Final = 20
"""The ink's longer side, in pixels."""
MAX_PIXELS: Final = 25_000_000
MAX_BYTES: Final = 30_000_000
_WORKING_SIDE: Final = 560
"""A photo is reduced to this before it is looked at; twice the canvas is ample for 20 pixels."""
_LEAST_CONTRAST: Final = 24.0
"""Grey levels between background and ink, below which a picture counts as blank."""
_INK: Final = 0.1
"""Share of the brightest ink below which a pixel is not part of the digit's outline."""
_REFUSED_FORMATS: Final = frozenset({"EPS"})
"""Pillow reads these by starting another program (Ghostscript) on the file."""


class Upload(NamedTuple):
    """What an image file shows: uint8 [H, W], ink bright on 0; `inverted` when its ink was darker than its ground."""

    image: Pixels
    inverted: bool


def preprocess(image: Pixels) -> Pixels:
    """A digit uint8 [H, W], ink bright on dark, as MNIST has it: uint8 [28, 28].

    Grey levels are stretched so that the strokes are as bright as MNIST's: a thin pen on a large canvas averages
    to a faint grey that the network never saw. Raises ValueError for a picture without ink or of another type.
    """
    if image.dtype != np.uint8 or image.ndim != 2 or image.size == 0:
        raise ValueError(f"The picture is {image.dtype} {list(image.shape)}; expected uint8 [H, W].")
    peak = int(image.max())
    if peak == 0:
        raise ValueError("The picture is empty: there is no ink in it.")
    outline = image >= max(1.0, _INK * peak)
    rows, columns = np.flatnonzero(outline.any(axis=1)), np.flatnonzero(outline.any(axis=0))
    crop = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _centre(_stretch(_fit(crop)))


def decode_upload(data: bytes) -> Upload:
    """An image file of any format that Pillow reads.

    Turned upright by its EXIF orientation, transparency laid on a background that contrasts, reduced to at most 560
    pixels a side, and inverted when its border says that the ink is dark. A picture without contrast comes back all 0.
    Raises ValueError for a file that is no image, is damaged, or is larger than 25 megapixels, before decoding it.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"The file has {len(data) / 1e6:.1f} MB; at most {MAX_BYTES / 1e6:.0f} MB are taken.")
    return _ink(_greyscale(_open(data)))


def _fit(crop: Pixels) -> npt.NDArray[np.float32]:
    height, width = crop.shape
    scale = BOX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Box is the exact area average; enlarging with it would give squares.
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    resized = Image.fromarray(crop.astype(np.float32)).resize(size, how)
    return np.clip(np.asarray(resized), 0, 255)


def _stretch(digit: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Most of the ink decides, not the one bright pixel where strokes cross."""
    ink = np.sort(digit[digit >= _INK * digit.max()])
    bright = ink[int(0.9 * (ink.size - 1))]
    return np.clip(digit * (255.0 / bright), 0, 255).astype(np.float32)


def _centre(digit: npt.NDArray[np.float32]) -> Pixels:
    height, width = digit.shape
    total = digit.sum()
    centre_y = float((digit.sum(axis=1) * (np.arange(height) + 0.5)).sum() / total)
    centre_x = float((digit.sum(axis=0) * (np.arange(width) + 0.5)).sum() / total)
    top = min(max(round(SIDE / 2 - centre_y), 0), SIDE - height)
    left = min(max(round(SIDE / 2 - centre_x), 0), SIDE - width)
    placed = np.zeros((SIDE, SIDE), np.uint8)
    placed[top : top + height, left : left + width] = np.rint(digit).astype(np.uint8)
    return placed


def _open(data: bytes) -> Image.Image:
    Image.init()
    try:
        image = Image.open(io.BytesIO(data), formats=[name for name in Image.ID if name not in _REFUSED_FORMATS])
        width, height = image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(f"The picture is too large: at most {MAX_PIXELS // 1_000_000} megapixels are taken.") from None
    except Exception as error:  # decoders of untrusted bytes raise anything at all
        raise ValueError("The file is not an image that can be read (PNG, JPEG, WebP, ...).") from error
    if width * height > MAX_PIXELS:
        raise ValueError(
            f"The picture is too large: {width} x {height}; at most {MAX_PIXELS // 1_000_000} megapixels are taken."
        )
    try:
        image.draft(None, (_WORKING_SIDE, _WORKING_SIDE))
        image.load()
        return ImageOps.exif_transpose(image)
    except Exception as error:  # decoders of untrusted bytes raise anything at all
        raise ValueError(f"The image file is damaged: {error}") from error


def _greyscale(image: Image.Image) -> npt.NDArray[np.float32]:
    if image.mode.startswith(("I", "F")):
        return _levels(np.asarray(_reduced(image.convert("F"))))
    rgba = _reduced(image.convert("RGBA"))
    grey, alpha = rgba.convert("RGB").convert("L"), rgba.getchannel("A")
    weights = np.asarray(alpha, np.float32)
    opaque = float(weights.sum())
    mean = float((np.asarray(grey, np.float32) * weights).sum()) / opaque if opaque else 0.0
    paper = Image.new("L", grey.size, 255 if mean < 128 else 0)
    paper.paste(grey, mask=alpha)
    return np.asarray(paper, np.float32)


def _reduced(image: Image.Image) -> Image.Image:
    image.thumbnail((_WORKING_SIDE, _WORKING_SIDE), Image.Resampling.BOX)
    return image


def _levels(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Sixteen-bit, thirty-two-bit and float levels as 0..255 between their own extremes."""
    finite = np.nan_to_num(values.astype(np.float64))
    low, high = float(finite.min()), float(finite.max())
    return ((finite - low) * (255.0 / (high - low) if high > low else 0.0)).astype(np.float32)


def _ink(grey: npt.NDArray[np.float32]) -> Upload:
    """Distance from the background, on the side where the digit is; the border tells the background and its noise."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    background = float(np.median(border))
    darkest, brightest = np.percentile(grey, (0.2, 99.8))
    is_dark = bool(brightest - background < background - darkest)
    distance = background - grey if is_dark else grey - background
    noise = 1.5 * float(np.percentile(np.abs(border - background), 90))
    ink = np.clip(distance - noise, 0, None)
    peak = float(ink.max())
    if peak < _LEAST_CONTRAST:
        return Upload(image=np.zeros(grey.shape, np.uint8), inverted=False)
    return Upload(image=np.rint(ink * (255.0 / peak)).astype(np.uint8), inverted=is_dark)
