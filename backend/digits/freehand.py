"""Digits as people draw them on the canvas, made up: accuracy on MNIST does not tell how well those are read.

A style's control points are moved, the pen is led through them, and the strokes go the way of every real drawing:
`strokes.rasterise`, then `preprocess`. The held-out digits are of other styles (see `skeletons`). They are a file, made
once, so that a new Pillow cannot change what is measured: `python -m backend.digits.freehand` makes it again.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from .preprocess import preprocess
from .skeletons import HELD_OUT, TRAINING, Point, Style
from .strokes import CANVAS, Stroke, rasterise

Pixels = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]

HELD_OUT_FILE: Final = Path(__file__).with_name("freehand_held_out.npz")
HELD_OUT_COUNT: Final = 2_000
HELD_OUT_SHA256: Final = "991142197403f02f17d6c5a072eda18d6efa16c6fb21ef7b06dfd009f76f83b6"
"""Of the images' bytes and then the labels', as every test set is named."""
_HELD_OUT_SEED: Final = 20_261_124
_TRAINING_SIZE: Final = 112
"""Pixels of the canvas that training digits are drawn on: after preprocessing, nearly what 280 would give."""
_NARROWEST, _WIDEST = 8.0, 36.0
"""Widths of the pen in canvas units; the Draw page offers 10 to 36."""
_WIDEST_SHARE: Final = 0.18
"""Of the digit's height: a wider pen leaves a blot that nobody reads."""


def generate(count: int, *, seed: int, held_out: bool = False) -> tuple[Pixels, Pixels]:
    """`count` drawings uint8 [count, 28, 28] with labels uint8 [count], every digit about as often, from `seed` alone.

    `held_out` takes the styles that no training may see.
    """
    random = np.random.default_rng([seed, held_out])
    labels = random.permutation(np.arange(count) % 10).astype(np.uint8)
    family, size = (HELD_OUT, CANVAS) if held_out else (TRAINING, _TRAINING_SIZE)
    images = [preprocess(rasterise(_drawn(family[label], random), size)) for label in labels]
    return np.stack(images), labels


def held_out() -> tuple[Pixels, Pixels]:
    """The 2,000 held-out drawings uint8 [2000, 28, 28] and their labels uint8 [2000]: for evaluation only.

    Raises ValueError when the file is not the one that was made.
    """
    with HELD_OUT_FILE.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        images, labels = archive["images"], archive["labels"]
    digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    if digest != HELD_OUT_SHA256:
        raise ValueError(f"'{HELD_OUT_FILE.name}' is not the held-out set: its SHA-256 is {digest[:12]}.")
    return images, labels


def _drawn(styles: tuple[Style, ...], random: np.random.Generator) -> list[Stroke]:
    """One digit as strokes on the canvas of 280 x 280."""
    style = styles[random.integers(len(styles))]
    height = random.uniform(90.0, 230.0)
    place = _placement(height, random)
    width = float(random.uniform(_NARROWEST, min(_WIDEST, _WIDEST_SHARE * height)))
    wobble, tremor = random.uniform(0.1, 0.45), random.uniform(0.0, 1.2)
    # A quick hand or a slow machine gives few points, and corners where there were bows.
    spacing = random.uniform(4.0, 26.0)
    strokes = []
    for points in style:
        path = _smooth(_moved(points, wobble, random)) @ place[:, :2].T + place[:, 2]
        path = _sampled(path, spacing)
        path = np.clip(path + random.normal(0.0, tremor, path.shape), 0.0, CANVAS)
        strokes.append(Stroke(width=width, points=tuple((float(x), float(y)) for x, y in path)))
    return strokes


def _placement(height: float, random: np.random.Generator) -> Points:
    """From the box of 10 x 10 to the canvas: an affine [2, 3] that sizes, squeezes, slants, turns and places."""
    width = height * random.uniform(0.55, 1.0)
    turn, slant = math.radians(random.uniform(-9.0, 9.0)), random.uniform(-0.2, 0.3)
    rotate = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    shape = rotate @ np.array([[1.0, -slant], [0.0, 1.0]]) @ np.diag([width / 10.0, height / 10.0])
    room = (CANVAS - height) / 2.0
    middle = CANVAS / 2.0 + random.uniform(-0.6, 0.6, 2) * room
    return np.column_stack([shape, middle - shape @ np.array([5.0, 5.0])])


def _moved(points: tuple[Point, ...], wobble: float, random: np.random.Generator) -> Points:
    """Every place moved by itself, corners (points given twice) as one; the ends go on or stop short."""
    places = np.array(points)
    same = np.concatenate([[False], (places[1:] == places[:-1]).all(axis=1)])
    moves = random.normal(0.0, wobble, places.shape)
    moves[same] = moves[np.flatnonzero(same) - 1]
    places = places + moves
    for end, neighbour in ((0, 1), (-1, -2)):
        places[end] += (places[end] - places[neighbour]) * random.uniform(-0.15, 0.2)
    return places


def _smooth(places: Points) -> Points:
    """A centripetal Catmull-Rom curve through the places, in small steps; a place given twice is a corner.

    After Yuksel, Schaefer and Keyser, "Parameterization and Applications of Catmull-Rom Curves", 2011.
    """
    corners = np.flatnonzero((places[1:] == places[:-1]).all(axis=1)) + 1
    pieces = [_curve(piece) for piece in np.split(places, corners)]
    return np.concatenate(pieces)


def _curve(places: Points) -> Points:
    if len(places) < 3:
        return places
    ends = 2 * places[0] - places[1], 2 * places[-1] - places[-2]
    known = np.vstack([ends[0], places, ends[1]])
    lengths = np.sqrt(np.linalg.norm(np.diff(known, axis=0), axis=1)) + 1e-9
    pieces = [places[:1]]
    share = np.linspace(0.0, 1.0, 9)[1:, np.newaxis]
    for at in range(1, len(known) - 2):
        p0, p1, p2, p3 = known[at - 1 : at + 3]
        d0, d1, d2 = lengths[at - 1 : at + 2]
        leaving = d1 * ((p1 - p0) / d0 - (p2 - p0) / (d0 + d1) + (p2 - p1) / d1)
        arriving = d1 * ((p2 - p1) / d1 - (p3 - p1) / (d1 + d2) + (p3 - p2) / d2)
        cubic = 2 * (p1 - p2) + leaving + arriving
        square = 3 * (p2 - p1) - 2 * leaving - arriving
        pieces.append(((cubic * share + square) * share + leaving) * share + p1)
    return np.concatenate(pieces)


def _sampled(path: Points, spacing: float) -> Points:
    """Points of the path about `spacing` canvas units apart, both ends among them."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    places = np.linspace(0.0, along[-1], max(2, round(along[-1] / spacing) + 1))
    return np.column_stack([np.interp(places, along, path[:, axis]) for axis in (0, 1)])


def main() -> None:
    images, labels = generate(HELD_OUT_COUNT, seed=_HELD_OUT_SEED, held_out=True)
    np.savez_compressed(HELD_OUT_FILE, images=images, labels=labels)
    digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    print(f"{HELD_OUT_FILE.name}: {HELD_OUT_FILE.stat().st_size} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
