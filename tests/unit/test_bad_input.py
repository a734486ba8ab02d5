"""Everything that people, files and servers can get wrong on Draw and `predict`: refused, with these words.

`docs/draw.md` lists them; a test below holds the list against what is said.
"""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from backend.adapters.triton.client import require_images
from backend.errors import InvalidInputError
from backend.services.prediction import seen_from_file, seen_from_npy, seen_from_strokes
from backend.settings import ROOT
from tests.unit.digits.test_uploads import encoded, png_claiming

DOT = {"width": 20, "points": [[140, 140]]}
LINE = {"width": 20, "points": [[140, 40], [140, 240]]}


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_claiming(shape: tuple[int, ...]) -> bytes:
    """Nothing but a beginning that promises so much."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


def zipped() -> bytes:
    """A quarter of a gigabyte of nothing in a quarter of a megabyte."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as member:
        block = bytes(2**20)
        for _ in range(256):
            member.write(block)
    return file.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_with(*extra: bytes) -> bytes:
    """A good picture of a 1 with more chunks in it."""
    picture = Image.new("L", (280, 280))
    picture.paste(255, (130, 40, 150, 240))
    good = encoded(picture)
    return good[:33] + b"".join(extra) + good[33:]


def text_bomb() -> bytes:
    return png_with(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**28), 9)))


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "0 strokes": (lambda: seen_from_strokes([]), "The picture is empty: there is no ink in it."),
    "10,000 strokes": (
        lambda: seen_from_strokes([DOT] * 10_000),
        "The drawing has 10000 strokes; at most 2000 are taken.",
    ),
    "more than 20,000 points": (
        lambda: seen_from_strokes([{"width": 20, "points": [[1, 2]] * 20_001}]),
        "The drawing has more than 20000 points, at stroke 1.",
    ),
    "strokes of another shape": (lambda: seen_from_strokes([{"width": 20}]), "Stroke 1 has no 'width' and 'points'."),
    "a point that is NaN": (
        lambda: seen_from_strokes([{"width": 20, "points": [[float("nan"), 1]]}]),
        "Stroke 1 has the point '[nan, 1]'; expected two finite numbers.",
    ),
    "no digit: several shapes": (
        lambda: seen_from_strokes([{"width": 34, "points": [[x, y]]} for x in (20, 140, 260) for y in (20, 260)]),
        "This is no digit: there are 6 separate shapes. Show one digit alone.",
    ),
    "no digit: a blot": (
        lambda: seen_from_file(blot()),
        "This is no digit: ink covers 51% of what the model would see; digits cover at most 35 % or so.",
    ),
    "a picture of 100 megapixels": (
        lambda: seen_from_file(png_claiming(10_000, 10_000)),
        "The picture is too large: ",
    ),
    "a picture of 3,600 megapixels": (
        lambda: seen_from_file(png_claiming(60_000, 60_000)),
        "The picture is too large: at most 25 megapixels are taken.",
    ),
    "a file of 31 MB": (
        lambda: seen_from_file(bytes(31_000_000)),
        "The file has 31.0 MB; at most 30 MB are taken.",
    ),
    "an SVG": (
        lambda: seen_from_file(b"<svg xmlns='http://www.w3.org/2000/svg'><path d='M0 0L9 9'/></svg>"),
        "The file is not an image that can be read (PNG, JPEG, WebP, ...).",
    ),
    "a zip bomb": (
        lambda: seen_from_file(zipped()),
        "The file is not an image that can be read (PNG, JPEG, WebP, ...).",
    ),
    "a PNG with a bomb in its text": (
        lambda: seen_from_file(text_bomb()),
        "The file is not an image that can be read (PNG, JPEG, WebP, ...).",
    ),
    "a truncated PNG": (
        lambda: seen_from_file(png_with()[:200]),
        "The image file is damaged: ",
    ),
    "a blank picture": (
        lambda: seen_from_file(encoded(Image.new("L", (300, 200), 128))),
        "The picture is empty: there is no ink in it.",
    ),
    "an .npy of another shape": (
        lambda: seen_from_npy(npy(np.zeros((27, 28), np.uint8))),
        "It holds uint8 [27, 28]; expected uint8 [28, 28].",
    ),
    "an .npy of another type": (
        lambda: seen_from_npy(npy(np.full((28, 28), np.nan, np.float32))),
        "It holds float32 [28, 28]; expected uint8 [28, 28].",
    ),
    "an .npy that claims terabytes": (
        lambda: seen_from_npy(npy_claiming((10**13,))),
        "It holds uint8 [10000000000000]; expected uint8 [28, 28].",
    ),
    "an .npy that ends early": (
        lambda: seen_from_npy(npy(np.zeros((28, 28), np.uint8))[:-1]),
        "It has 783 bytes of pixels; expected 784.",
    ),
    "a zip bomb called .npy": (lambda: seen_from_npy(zipped()), "It is not an .npy file: "),
    "an empty .npy": (lambda: seen_from_npy(b""), "It is not an .npy file: "),
    "pixels that are NaN": (
        lambda: require_images(np.full((1, 28, 28, 1), np.nan, np.float32)),
        "Pixels go from nan to nan, expected 0 to 1.",
    ),
    "pixels from 0 to 255": (
        lambda: require_images(np.full((1, 28, 28, 1), 255, np.float32)),
        "Pixels go from 255 to 255, expected 0 to 1.",
    ),
    "more images than a request holds": (
        lambda: require_images(np.zeros((65, 28, 28, 1), np.float32)),
        "There are 65 images, expected 1 to 64.",
    ),
}


def blot() -> bytes:
    picture = Image.new("L", (300, 300))
    picture.paste(255, (50, 50, 250, 250))
    return encoded(picture)


@pytest.mark.parametrize("what", BAD)
def test_it_is_refused_with_these_words_quickly_and_in_little_memory(what: str) -> None:
    attempt, said = BAD[what]
    tracemalloc.start()
    begun = time.process_time()
    try:
        with pytest.raises(InvalidInputError) as refused:
            attempt()
        seconds, (_, peak) = time.process_time() - begun, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refused.value.message.startswith(said)
    assert seconds < 10
    assert peak < 700e6, "mostly what the test itself makes"


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_good_npy_is_taken_as_it_is(order: str) -> None:
    pixels = np.arange(784, dtype=np.uint16).reshape(28, 28).astype(np.uint8)
    assert np.array_equal(seen_from_npy(npy(np.asarray(pixels, order=order))), pixels)


def test_a_picture_with_harmless_text_in_it_is_read() -> None:
    assert seen_from_file(png_with(chunk(b"tEXt", b"Comment\0one"))).pixels.max() == 255


def test_the_list_in_the_documentation_is_what_is_said() -> None:
    text = (ROOT / "docs" / "draw.md").read_text()
    rows = dict(line.strip("| \n").split(" | ", 1) for line in text.splitlines() if line.startswith("| "))
    for what, (_, said) in BAD.items():
        assert rows.get(what, "").startswith(f"`{said.strip()}"), f"docs/draw.md does not say so of {what}"
