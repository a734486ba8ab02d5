"""Random changes of training images, on whole batches: one projective transform does it all."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

_PIXELS = 2.0
_DEGREES = 12.0
_SCALE = 0.12
_SHEAR = 0.12
_MIDDLE = 13.5


def augment(name: str, images: Any, seed: Any) -> Any:
    """`images` float32 [N, 28, 28, 1] changed at random, each in its own way; black comes in from outside.

    `none` leaves them, `shift` moves by whole pixels up to 2, `affine` turns by up to 12 degrees, scales and shears by
    up to 12 % and moves by up to 2 pixels. `seed` int64 [2] decides everything.
    """
    if name == "none":
        return images
    count = tf.shape(images)[0]
    if name == "shift":
        moves = tf.random.stateless_uniform([count, 2], seed, -2, 3, tf.int32)
        return _transform(images, _shifts(tf.cast(moves, tf.float32)), "NEAREST")
    return _transform(images, _affine(tf.random.stateless_uniform([count, 6], seed, -1.0, 1.0)), "BILINEAR")


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
