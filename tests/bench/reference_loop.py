"""The older project's training loop, written anew from its description: what the presets are measured against.

A `tf.function` per step, Adam at 1e-3, batches of 256, pixels divided by 255 into float32 and held in memory, shuffled
through a window of 10,000, nothing fetched ahead.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from backend.digits.dataset import Dataset

BATCH = 256
_WINDOW = 10_000


def train(model: keras.Model, data: Dataset, passes: int, after_step: Callable[[int], None]) -> None:
    """`passes` over the training images; `after_step` is told how many steps were done."""
    optimizer = keras.optimizers.Adam(1e-3)
    loss_of = keras.losses.SparseCategoricalCrossentropy()
    loss_mean = keras.metrics.Mean()
    accuracy = keras.metrics.SparseCategoricalAccuracy()
    images, labels = data.train.take(slice(None))
    pixels = (images[..., None] / 255.0).astype("float32")
    batches = tf.data.Dataset.from_tensor_slices((pixels, labels)).shuffle(_WINDOW).batch(BATCH)

    @tf.function
    def step(images: tf.Tensor, labels: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            predictions = model(images, training=True)
            loss = loss_of(labels, predictions)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        loss_mean(loss)
        accuracy(labels, predictions)

    done = 0
    for _ in range(passes):
        loss_mean.reset_state()
        accuracy.reset_state()
        for pixels, labels in batches:
            step(pixels, labels)
            done += 1
            after_step(done)
