"""Batches: picked by index from arrays that may lie on disk, mixed from several sources, augmented on the way.

What a batch holds follows from the seed and the number of the step alone, so that a training can go on from any step
as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from .augmentation import augment
from .dataset import Dataset, Part
from .normalise import normalise

PREFETCHED: Final = 16
_VALIDATION_BATCH: Final = 500

Rows = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Mix:
    """Images that a training sees: `main` decides how long a pass is, of each of `others` a batch has its share."""

    main: Part
    others: tuple[tuple[Part, float], ...] = ()

    def counts(self, batch_size: int) -> tuple[int, ...]:
        """Images of each source in a batch, the main one first: at least one of each, and no more than it has."""
        others = [min(max(1, round(batch_size * share)), len(part), batch_size - 1) for part, share in self.others]
        return (min(max(1, batch_size - sum(others)), len(self.main)), *others)

    def steps(self, batch_size: int) -> int:
        """Whole batches in a pass over the main images."""
        return max(1, len(self.main) // self.counts(batch_size)[0])


def batches(mix: Mix, batch_size: int, augmentation: str, seed: int, *, epoch: int, first_step: int = 0) -> Any:
    """One pass, counted from 0, as a `tf.data.Dataset` of images [n, 28, 28, 1] and one-hot labels [n, 10], float32.

    It sees every main image once, but for an incomplete last batch, in the order of this epoch; `first_step` leaves out
    the steps before.
    """
    counts = mix.counts(batch_size)
    sources = (mix.main, *(part for part, _ in mix.others))
    steps = mix.steps(batch_size)

    def chosen() -> Iterator[tuple[Rows, npt.NDArray[np.int64]]]:
        first = epoch * steps + first_step
        orders = [
            _order(len(part), count, (seed, number), first)
            for number, (part, count) in enumerate(zip(sources, counts, strict=True))
        ]
        for step in range(first, (epoch + 1) * steps):
            yield np.concatenate([next(order) for order in orders]), np.array([seed, step], np.int64)

    def pick(rows: Rows) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        pieces = np.split(rows, np.cumsum(counts)[:-1])
        taken = [part.take(piece) for part, piece in zip(sources, pieces, strict=True)]
        images, labels = (np.concatenate(arrays) for arrays in zip(*taken, strict=True))
        return normalise(images), labels

    def prepare(rows: Any, seeds: Any) -> tuple[Any, Any]:
        pixels, classes = tf.numpy_function(pick, [rows], [tf.float32, tf.uint8], stateful=False)
        pixels = augment(augmentation, tf.ensure_shape(pixels, [sum(counts), 28, 28, 1]), seeds)
        return pixels, tf.one_hot(tf.ensure_shape(classes, [sum(counts)]), 10)

    signature = (tf.TensorSpec([sum(counts)], tf.uint32), tf.TensorSpec([2], tf.int64))
    ordered = tf.data.Dataset.from_generator(chosen, output_signature=signature)
    counted = ordered.apply(tf.data.experimental.assert_cardinality(steps - first_step))
    return counted.map(prepare, num_parallel_calls=2, deterministic=True).prefetch(PREFETCHED)


def validation(data: Dataset, replicas: int = 1) -> Any:
    """The validation images and one-hot labels as a `tf.data.Dataset`, in their order.

    Several devices get equal shares of every batch: Keras wants them so. Up to `replicas` - 1 images are left out.
    """
    count = len(data.validation_images) // replicas * replicas
    labels = np.eye(10, dtype=np.float32)[data.validation_labels[:count]]
    images = normalise(data.validation_images[:count])
    batch_size = max(1, _VALIDATION_BATCH // replicas) * replicas
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(batch_size)


def _order(length: int, count: int, seed: Sequence[int], first_step: int) -> Iterator[Rows]:
    """Rows for one step after the other: `count` of `length`, every pass in a new order."""
    per_pass = length // count
    number, step = divmod(first_step, per_pass)
    while True:
        # What `permutation` gives, without its 64-bit numbers: of millions, they are most of what a pass needs.
        order = np.arange(length, dtype=np.uint32)
        np.random.default_rng((*seed, number)).shuffle(order)
        for first in range(step * count, per_pass * count, count):
            yield order[first : first + count]
        number, step = number + 1, 0
