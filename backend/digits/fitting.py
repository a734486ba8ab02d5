"""The training itself: how a network is fitted to the images, and how a fit goes on from a checkpoint."""

from __future__ import annotations

from typing import Any, Final

import keras
import tensorflow as tf

from .checkpoint import Checkpoint, CheckpointFolder
from .config import TrainConfig
from .container import StopSignal
from .dataset import Dataset
from .failures import ConfigError
from .pipeline import Mix, batches, validation
from .progress import EpochPoint, Listener, Progress, variables_of
from .schedule import learning_rate, second_moment_decay

_STEPS_PER_EXECUTION: Final = 8
_IMAGES_PER_EXECUTION: Final = 2_048
"""A training can be stopped and saved between two executions only: on a slow machine one takes about a second."""


def make_reproducible(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, and choose kernels that add in a fixed order: same seed, same weights."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def strategy() -> Any:
    """All GPUs of this machine where it has several; else TensorFlow's default, which takes the only one."""
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def fit(
    model: keras.Model,
    data: Dataset,
    mix: Mix,
    config: TrainConfig,
    listener: Listener,
    *,
    checkpoints: CheckpointFolder | None = None,
    stop: StopSignal | None = None,
) -> tuple[EpochPoint, ...]:
    """Train `model` in place and return a point per epoch; `listener` hears of everything on the way.

    Goes on from the newest of `checkpoints`, whose epochs are told again first, and adds to them. With early stopping
    the weights of the best epoch are kept. When `stop` comes, what was done is saved and SystemExit raised. Raises
    `DivergedError` as soon as the loss is no longer a number.
    """
    batch_size = min(config.batch_size, len(mix.main))
    replicas = model.distribute_strategy.num_replicas_in_sync if model.distribute_strategy else 1
    if batch_size % replicas:
        raise ConfigError(f"batch_size is {batch_size}; expected a multiple of the {replicas} GPUs.")
    steps = mix.steps(batch_size)
    # With several devices, Keras cannot tell within one execution that the images have come to their end.
    together = 1 if replicas > 1 else max(1, min(_STEPS_PER_EXECUTION, _IMAGES_PER_EXECUTION // batch_size, steps))
    _compile(model, config, steps, together)
    progress = Progress(model, config, steps, listener, checkpoints, stop or StopSignal())
    begun = checkpoints.newest() if checkpoints else None
    if begun:
        _restore(model, begun)
        progress.go_on_from(begun)
    # Averaged weights are what is kept, so they are what is validated.
    callbacks = [keras.callbacks.SwapEMAWeights(), progress] if config.ema else [progress]
    held_out = validation(data, replicas)
    first_epoch, done = divmod(begun.step if begun else 0, steps)
    for epoch in range(first_epoch, config.epochs):
        # One call for each epoch: a pass that is begun in its middle is shorter than the others.
        model.fit(
            batches(mix, batch_size, config.augmentation, config.seed, epoch=epoch, first_step=done),
            initial_epoch=epoch,
            epochs=epoch + 1,
            validation_data=held_out,
            callbacks=callbacks,
            shuffle=False,  # `batches` does it
            verbose=0,
        )
        done = 0
        if progress.stopped_early:
            break
        if epoch + 1 < config.epochs:
            progress.undo_averaging()
    progress.keep_best()
    return tuple(progress.points)


def _compile(model: keras.Model, config: TrainConfig, steps: int, together: int) -> None:
    with (model.distribute_strategy or tf.distribute.get_strategy()).scope():
        model.compile(
            optimizer=_optimizer(config, steps * config.epochs),
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
            metrics=["accuracy", keras.metrics.CategoricalCrossentropy(name="cross_entropy")],
            steps_per_execution=together,
            jit_compile=False,  # XLA makes these networks twice as slow on a CPU
        )
        model.optimizer.build(model.trainable_variables)


def _optimizer(config: TrainConfig, steps: int) -> keras.optimizers.Optimizer:
    rate = learning_rate(config.schedule, config.lr, steps)
    settings: dict[str, Any] = {"beta_2": second_moment_decay(config.schedule, steps)}
    if config.ema:  # `fit` ends by making the averaged weights the model's own
        settings |= {"use_ema": True, "ema_momentum": config.ema}
    if config.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=config.weight_decay, **settings)
    return keras.optimizers.Adam(rate, **settings)


def _restore(model: keras.Model, checkpoint: Checkpoint) -> None:
    for variables, arrays in (
        (variables_of(model), checkpoint.model),
        (model.optimizer.variables, checkpoint.optimizer),
    ):
        if [tuple(v.shape) for v in variables] != [array.shape for array in arrays]:
            raise ConfigError("The checkpoint is of another network: train anew.")
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
