from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFilter

from backend.digits.preprocess import decode_upload, preprocess
from backend.digits.strokes import rasterise
from tests.fakes.freehand import strokes_of

DRAWN = rasterise(strokes_of(5))
SEEN = preprocess(DRAWN)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def likeness(data: bytes) -> float:
    """Correlation of what the model sees of an upload with what it sees of the drawing."""
    return float(np.corrcoef(preprocess(decode_upload(data).image).ravel(), SEEN.ravel())[0, 1])


WHITE_ON_BLACK = Image.fromarray(DRAWN)
BLACK_ON_WHITE = Image.fromarray(255 - DRAWN)


def test_a_drawing_saved_as_it_is_gives_the_same_picture() -> None:
    upload = decode_upload(encoded(WHITE_ON_BLACK))
    assert np.array_equal(preprocess(upload.image), SEEN)
    assert not upload.inverted


def test_dark_ink_on_a_bright_ground_is_inverted() -> None:
    upload = decode_upload(encoded(BLACK_ON_WHITE))
    assert np.array_equal(preprocess(upload.image), SEEN)
    assert upload.inverted


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_every_usual_format_is_read(kind: str, mode: str) -> None:
    assert likeness(encoded(BLACK_ON_WHITE.convert(mode), kind)) > 0.98


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK", "I;16", "F"])
def test_every_colour_mode_is_read(mode: str) -> None:
    sixteen_bits = Image.fromarray((255 - DRAWN).astype(np.uint16) * 257)
    image = sixteen_bits if mode == "I;16" else BLACK_ON_WHITE.convert(mode)
    assert image.mode == mode
    assert likeness(encoded(image, "TIFF")) > 0.97


@pytest.mark.parametrize("ink", [(0, 0, 0), (255, 255, 255), (200, 30, 30)])
def test_ink_on_a_transparent_ground_is_seen_whatever_its_colour(ink: tuple[int, int, int]) -> None:
    image = Image.new("RGBA", (280, 280), (*ink, 0))
    image.paste(Image.new("RGBA", (280, 280), (*ink, 255)), mask=WHITE_ON_BLACK)

    assert likeness(encoded(image)) > 0.97


def test_a_photo_is_turned_upright_by_its_exif_orientation() -> None:
    turned = BLACK_ON_WHITE.rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown a quarter turn clockwise

    assert likeness(encoded(turned, "JPEG", exif=exif)) > 0.98
    assert likeness(encoded(turned, "JPEG")) < 0.6


def test_a_large_noisy_photo_of_grey_paper_is_read() -> None:
    paper = np.full((3000, 4000), 150.0)
    paper += np.random.default_rng(0).normal(0, 4, paper.shape)
    stroke = WHITE_ON_BLACK.resize((2000, 2000)).filter(ImageFilter.GaussianBlur(4))
    paper[500:2500, 1000:3000] -= 0.4 * np.asarray(stroke, float)
    photo = Image.fromarray(np.clip(paper, 0, 255).astype(np.uint8))

    decoded = decode_upload(encoded(photo, "JPEG")).image

    assert max(decoded.shape) == 560
    assert np.corrcoef(preprocess(decoded).ravel(), SEEN.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_picture_has_no_ink(level: int) -> None:
    decoded = decode_upload(encoded(Image.new("L", (300, 200), level))).image

    assert decoded.max() == 0
    with pytest.raises(ValueError, match="empty"):
        preprocess(decoded)


def png_claiming(width: int, height: int) -> bytes:
    """A tiny PNG that says it is large: decoding it would take width * height bytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [5_001, 12_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    with pytest.raises(ValueError, match="at most 25 megapixels"):
        decode_upload(png_claiming(side, side))


def test_a_huge_file_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 30 MB"):
        decode_upload(bytes(30_000_001))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'><path d='M0 0L9 9'/></svg>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n",
        b"\x93NUMPY",
    ],
    ids=["empty", "text", "svg", "postscript", "numpy"],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not an image"):
        decode_upload(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_a_truncated_file_is_refused_with_a_reason(kind: str) -> None:
    data = encoded(BLACK_ON_WHITE.convert("RGB"), kind)

    with pytest.raises(ValueError, match=r"damaged|not an image"):
        decode_upload(data[: len(data) // 2])
