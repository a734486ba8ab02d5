"""The training itself: batches, the fit, and what is reported on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from .augmentation import augment
from .config import TrainConfig
from .dataset import Dataset
from .failures import DivergedError
from .normalise import normalise
from .schedule import learning_rate

Report = Callable[[Mapping[str, float | int]], None]

FIT_SHARE: Final = 0.95
"""Share of the whole progress when the last epoch ends: export and evaluation follow."""
_REPORT_SECONDS: Final = 2.0
_STEPS_PER_EXECUTION: Final = 8
_VALIDATION_BATCH: Final = 500


@dataclass(frozen=True, kw_only=True)
class EpochPoint:
    """One epoch, counted from 1. `train_loss` is what was minimised, label smoothing and augmentation included;
    `val_loss` is the plain cross-entropy in nats. `learning_rate` is the one of the last step.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float


def make_reproducible(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, and choose kernels that add in a fixed order: same seed, same weights."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def fit(
    model: keras.Model, data: Dataset, config: TrainConfig, report: Report, on_epoch: Callable[[EpochPoint], None]
) -> tuple[EpochPoint, ...]:
    """Train `model` in place. `report` gets metrics every two seconds and after each epoch, `on_epoch` each epoch.

    Raises `DivergedError` as soon as the loss is no longer a number.
    """
    batch_size = min(config.batch_size, len(data.train_images))
    steps = len(data.train_images) // batch_size
    model.compile(
        optimizer=_optimizer(config, steps * config.epochs),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
        metrics=["accuracy", keras.metrics.CategoricalCrossentropy(name="cross_entropy")],
        steps_per_execution=min(_STEPS_PER_EXECUTION, steps),
        jit_compile=False,  # XLA makes these networks twice as slow on a CPU
    )
    reporter = _Reporter(config, steps, report, on_epoch)
    model.fit(
        batches(data.train_images, data.train_labels, batch_size, config.augmentation, config.seed),
        epochs=config.epochs,
        validation_data=_validation(data),
        callbacks=[reporter],
        shuffle=False,  # `batches` does it
        verbose=0,
    )
    return tuple(reporter.points)


def batches(
    images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], batch_size: int, augmentation: str, seed: int
) -> Any:
    """A `tf.data.Dataset` of whole batches in a new order on every pass: images and one-hot labels, float32.

    The pixels stay uint8 in memory; a batch is picked by its indices, normalised and augmented on the way.
    """

    def pick(indices: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        return normalise(images[indices]), labels[indices]

    def prepare(indices: Any, seeds: Any) -> tuple[Any, Any]:
        pixels, classes = tf.numpy_function(pick, [indices], [tf.float32, tf.uint8], stateful=False)
        pixels = augment(augmentation, tf.ensure_shape(pixels, [batch_size, 28, 28, 1]), seeds)
        return pixels, tf.one_hot(tf.ensure_shape(classes, [batch_size]), 10)

    count = len(images)
    order = tf.data.Dataset.range(count).shuffle(count, seed=seed, reshuffle_each_iteration=True)
    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)
    paired = tf.data.Dataset.zip(order.batch(batch_size, drop_remainder=True), seeds)
    return paired.map(prepare, num_parallel_calls=2, deterministic=True).prefetch(2 * _STEPS_PER_EXECUTION)


def _validation(data: Dataset) -> Any:
    labels = np.eye(10, dtype=np.float32)[data.validation_labels]
    return tf.data.Dataset.from_tensor_slices((normalise(data.validation_images), labels)).batch(_VALIDATION_BATCH)


def _optimizer(config: TrainConfig, steps: int) -> keras.optimizers.Optimizer:
    rate = learning_rate(config.schedule, config.lr, steps)
    if config.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
    return keras.optimizers.Adam(rate)


class _Reporter(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Turns Keras' callbacks into metric lines and `EpochPoint`s, and stops a training that diverged."""

    def __init__(self, config: TrainConfig, steps: int, report: Report, on_epoch: Callable[[EpochPoint], None]) -> None:
        super().__init__()
        self.points: list[EpochPoint] = []
        self._config = config
        self._steps = steps
        self._report = report
        self._on_epoch = on_epoch
        self._epoch = 0
        self._epoch_began = self._reported = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._epoch = epoch
        self._epoch_began = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):
            raise DivergedError(
                f"The training diverged: the loss became {loss} in epoch {self._epoch + 1}, step {batch + 1}, "
                f"with lr {self._config.lr:g}. A smaller learning rate usually helps."
            )
        now = time.monotonic()
        if now - self._reported >= _REPORT_SECONDS:
            self._reported = now
            epoch = self._epoch + (batch + 1) / self._steps
            progress = FIT_SHARE * epoch / self._config.epochs
            self._report({"epoch": epoch, "progress": progress, "train_loss": loss, "learning_rate": self._rate()})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        values = logs or {}
        point = EpochPoint(
            epoch=epoch + 1,
            train_loss=float(values["loss"]),
            train_accuracy=float(values["accuracy"]),
            val_loss=float(values["val_cross_entropy"]),
            val_accuracy=float(values["val_accuracy"]),
            learning_rate=self._rate(),
            seconds=time.monotonic() - self._epoch_began,
        )
        self.points.append(point)
        self._reported = time.monotonic()
        progress = FIT_SHARE * point.epoch / self._config.epochs
        self._report({"epoch": point.epoch, "progress": progress, **_without_epoch(point)})
        self._on_epoch(point)

    def _rate(self) -> float:
        return float(self.model.optimizer.learning_rate)


def _without_epoch(point: EpochPoint) -> dict[str, float]:
    return {
        "train_loss": point.train_loss,
        "train_accuracy": point.train_accuracy,
        "val_loss": point.val_loss,
        "val_accuracy": point.val_accuracy,
        "learning_rate": point.learning_rate,
        "seconds": point.seconds,
    }
