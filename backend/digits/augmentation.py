"""Random changes of training images, on whole batches: each image is resampled once, whatever is done to it."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

_PIXELS = 2.0
_DEGREES = 12.0
_SCALE = 0.12
_SHEAR = 0.12
_BEND = 0.5
"""Standard deviation, in pixels, of the displacements that an elastic field is drawn from."""
_FIELD = 5
_MIDDLE = 13.5


def augment(name: str, images: Any, seed: Any) -> Any:
    """`images` float32 [N, 28, 28, 1] changed at random, each in its own way; black comes in from outside.

    `none` leaves them, `shift` moves by whole pixels up to 2, `affine` turns by up to 12 degrees, scales and shears by
    up to 12 % and moves by up to 2 pixels, `elastic` also bends it by a smooth random field (after Simard, Steinkraus
    and Platt, "Best Practices for Convolutional Neural Networks", ICDAR 2003). `seed` int64 [2] decides everything.
    """
    if name == "none":
        return images
    count = tf.shape(images)[0]
    if name == "shift":
        moves = tf.random.stateless_uniform([count, 2], seed, -2, 3, tf.int32)
        return _transform(images, _shifts(tf.cast(moves, tf.float32)), "NEAREST")
    transforms = _affine(tf.random.stateless_uniform([count, 6], seed, -1.0, 1.0))
    if name == "affine":
        return _transform(images, transforms, "BILINEAR")
    # Coarse noise made smooth by enlarging it: a Gaussian filter of a full field costs several times as much.
    coarse = _BEND * tf.random.stateless_normal([count, _FIELD, _FIELD, 2], tf.random.fold_in(seed, 1))
    return _sample(images, *_bent(transforms, tf.image.resize(coarse, [28, 28], method="bicubic")))


def _shifts(moves: Any) -> Any:
    one, zero = tf.ones_like(moves[:, 0]), tf.zeros_like(moves[:, 0])
    return tf.stack([one, zero, moves[:, 0], zero, one, moves[:, 1], zero, zero], axis=1)


def _affine(random: Any) -> Any:
    """From six numbers in -1..1 per image to the eight of its inverse transform, about the middle of the image."""
    angle = random[:, 0] * math.radians(_DEGREES)
    scale_x, scale_y = 1.0 + random[:, 1] * _SCALE, 1.0 + random[:, 2] * _SCALE
    shear = random[:, 3] * _SHEAR
    cos, sin = tf.cos(angle), tf.sin(angle)
    a, b = cos * scale_x, (shear * cos - sin) * scale_y
    c, d = sin * scale_x, (shear * sin + cos) * scale_y
    move_x = _MIDDLE * (1.0 - a - b) + random[:, 4] * _PIXELS
    move_y = _MIDDLE * (1.0 - c - d) + random[:, 5] * _PIXELS
    zero = tf.zeros_like(a)
    return tf.stack([a, b, move_x, c, d, move_y, zero, zero], axis=1)


def _transform(images: Any, transforms: Any, interpolation: str) -> Any:
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=[28, 28],
        fill_value=0.0,
        interpolation=interpolation,
        fill_mode="CONSTANT",
    )


def _bent(transforms: Any, field: Any) -> tuple[Any, Any]:
    """Where each pixel of the result comes from, x and y [N, 28, 28]: its inverse transform, displaced by `field`."""
    axis = tf.range(28, dtype=tf.float32)
    y, x = tf.meshgrid(axis, axis, indexing="ij")
    a, b, move_x, c, d, move_y = tf.unstack(transforms[:, :6, None, None], axis=1)
    return a * x + b * y + move_x + field[..., 0], c * x + d * y + move_y + field[..., 1]


def _sample(images: Any, x: Any, y: Any) -> Any:
    """`images` at the places `x`, `y` [N, 28, 28], bilinear; 0 outside."""
    side = 30  # a black frame, so that the four neighbours of every place exist
    count = tf.shape(images)[0]
    pixels = tf.reshape(tf.pad(images[..., 0], [[0, 0], [1, 1], [1, 1]]), [count, side * side])
    x, y = (tf.clip_by_value(place + 1.0, 0.0, side - 1.001) for place in (x, y))
    left, top = tf.floor(x), tf.floor(y)
    corner = tf.reshape(tf.cast(top * side + left, tf.int32), [count, 28 * 28])

    def neighbour(offset: int) -> Any:
        return tf.reshape(tf.gather(pixels, corner + offset, batch_dims=1), [count, 28, 28])

    upper = neighbour(0) + (neighbour(1) - neighbour(0)) * (x - left)
    lower = neighbour(side) + (neighbour(side + 1) - neighbour(side)) * (x - left)
    return (upper + (lower - upper) * (y - top))[..., tf.newaxis]
