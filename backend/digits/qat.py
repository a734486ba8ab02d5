"""Quantisation-aware training: one more epoch in which weights and activations are rounded as 8 bits will round them.

Keras 3 has none of its own and TensorFlow's needs Keras 2. So the folded network gets twins of its layers: they round
to a grid on the way forward and let the gradient through as if they had not (the straight-through estimator of Bengio
et al., https://arxiv.org/abs/1308.3432; the grids are those of Jacob et al., https://arxiv.org/abs/1712.05877). What
they learn are weights of the plain network, which are then quantised like any other's.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Final

import keras
from keras import layers, ops

from . import fitting, model
from .checkpoint import Checkpoint, CheckpointFolder
from .config import TrainConfig
from .container import StopSignal
from .dataset import Dataset
from .folding import folded, twin
from .pipeline import Mix
from .progress import FIT_SHARE, EpochPoint, Listener
from .triton_config import has_nvidia_gpu

LEARNING_RATE: Final = 3e-4
"""Of a network that is trained already; less if that was trained with less."""
_MOMENTUM: Final = 0.99
_WEIGHT_LEVELS: Final = 127
_LEAST_PEAK: Final = 1e-6


def train(
    network: keras.Model,
    data: Dataset,
    mix: Mix,
    config: TrainConfig,
    listener: Listener,
    *,
    folder: Path,
    stop: StopSignal,
) -> tuple[keras.Model, tuple[EpochPoint, ...]]:
    """Train `network` as `fitting.fit` does, and let one epoch more follow in which it learns to bear 8 bits.

    Returns a plain float32 network, with batch normalisation folded, and a point for each epoch, that one included;
    `listener` hears of all of them. The checkpoints of both parts lie in `folder`: what was stopped in the last epoch
    goes on there. Raises what `fitting.fit` raises.
    """
    kept = bool(config.checkpoint_minutes)
    trained = CheckpointFolder(folder / "trained", config, listener.notify)
    epochs = config.epochs
    first = _shifted(listener, before=0, share=epochs / (epochs + 1))
    if kept and (found := trained.newest()):
        network.set_weights(list(found.model))
        points = tuple(EpochPoint(**values) for values in found.reported["points"])
        for point in points:
            first.report({"progress": FIT_SHARE * point.epoch / epochs, **dataclasses.asdict(point)})
            first.on_epoch(point)
    else:
        checkpoints = CheckpointFolder(folder, config, listener.notify) if kept else None
        points = fitting.fit(network, data, mix, config, first, checkpoints=checkpoints, stop=stop)
        if kept:
            _remember(trained, network, points, listener)
    if config.train_precision != "fp32":
        network = model.in_float32(network)
    last = _shifted(listener, before=len(points), share=1 / (epochs + 1), done=FIT_SHARE * epochs / (epochs + 1))
    plain, also = teach(network, data, mix, config, last, folder=folder, stop=stop)
    return plain, (*points, *(dataclasses.replace(point, epoch=point.epoch + len(points)) for point in also))


def teach(
    network: keras.Model,
    data: Dataset,
    mix: Mix,
    config: TrainConfig,
    listener: Listener,
    *,
    folder: Path,
    stop: StopSignal,
) -> tuple[keras.Model, tuple[EpochPoint, ...]]:
    """Let a trained float32 network learn, in one epoch of the same batches, to bear 8 bits.

    Returns a plain network, with batch normalisation folded, and the epoch's point; `network` is left as it is.
    """
    listener.notify("The last epoch is quantisation-aware: it rounds as 8 bits will.")
    levels = 127 if has_nvidia_gpu(config.serving_instance) else 255
    one = dataclasses.replace(
        config, epochs=1, lr=min(LEARNING_RATE, config.lr), schedule="onecycle", ema=0.0, early_stopping=0
    )
    checkpoints = CheckpointFolder(folder / f"rounded-{levels}", one, listener.notify)
    with fitting.strategy().scope():
        plain = folded(network)
        rounding = rounded(plain, levels)
    points = fitting.fit(
        rounding, data, mix, one, listener, checkpoints=checkpoints if config.checkpoint_minutes else None, stop=stop
    )
    for layer in plain.layers:
        layer.set_weights(rounding.get_layer(layer.name).get_weights())
    return plain, points


def rounded(plain: keras.Model, levels: int) -> keras.Model:
    """The network with the same weights, whose layers round their kernels to 8 signed bits, a grid for each channel,
    and what comes into them, which is never negative, to `levels` steps up to a maximum that follows the batches.
    """
    kinds: dict[Any, Any] = {layers.Conv2D: RoundedConv2D, layers.Dense: RoundedDense}

    def clone(layer: Any) -> Any:
        kind = kinds.get(type(layer), type(layer))
        return kind.from_config(layer.get_config())

    def call(layer: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if type(layer) in kinds.values():
            inputs = RoundedActivation(levels, name=f"{layer.name}_rounded")(inputs)
        return layer(inputs, *args, **kwargs)

    rounding = twin(plain, clone, call)
    for layer in plain.layers:
        rounding.get_layer(layer.name).set_weights(layer.get_weights())
    return rounding


class RoundedActivation(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Rounds to `levels` steps between 0 and `peak`, a moving average of the largest value in a batch."""

    def __init__(self, levels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.levels = levels
        self.peak = self.add_weight(name="peak", initializer="zeros", trainable=False, aggregation="mean")

    def call(self, inputs: Any, training: bool = False) -> Any:
        if training:
            seen = ops.max(inputs)
            self.peak.assign(ops.where(self.peak > 0.0, _MOMENTUM * self.peak + (1.0 - _MOMENTUM) * seen, seen))
        peak = ops.maximum(self.peak, _LEAST_PEAK)
        return _on_grid(ops.clip(inputs, 0.0, peak), peak / self.levels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "levels": self.levels}


class RoundedConv2D(layers.Conv2D):  # type: ignore[misc]
    """A convolution whose kernel is rounded on its way into the product."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        return super().convolution_op(inputs, _rounded_kernel(kernel))


class RoundedDense(layers.Dense):  # type: ignore[misc]
    """A dense layer whose kernel is rounded on its way into the product."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.activation(ops.matmul(inputs, _rounded_kernel(self.kernel)) + self.bias)


def _rounded_kernel(kernel: Any) -> Any:
    """Each output channel, the last axis, on its own grid from its largest weight down to that with the other sign."""
    largest = ops.max(ops.abs(kernel), axis=tuple(range(len(kernel.shape) - 1)), keepdims=True)
    return _on_grid(kernel, ops.stop_gradient(ops.maximum(largest, _LEAST_PEAK)) / _WEIGHT_LEVELS)


def _on_grid(values: Any, step: Any) -> Any:
    """Multiples of `step`; for the gradient, the values themselves."""
    return values + ops.stop_gradient(ops.round(values / step) * step - values)


def _shifted(listener: Listener, *, before: int, share: float, done: float = 0.0) -> Listener:
    """A listener for a part of the training: `before` epochs came before it, and it is `share` of the whole."""

    def report(values: Any) -> None:
        moved = {"epoch": values["epoch"] + before, "progress": done + share * values["progress"]}
        listener.report({**values, **moved})

    def on_epoch(point: EpochPoint) -> None:
        listener.on_epoch(dataclasses.replace(point, epoch=point.epoch + before))

    return Listener(report=report, on_epoch=on_epoch, notify=listener.notify)


def _remember(
    trained: CheckpointFolder, network: keras.Model, points: tuple[EpochPoint, ...], listener: Listener
) -> None:
    reported = {"points": [dataclasses.asdict(point) for point in points]}
    try:
        trained.save(Checkpoint(step=len(points), model=network.get_weights(), optimizer=(), reported=reported))
    except OSError as error:
        listener.notify(f"The checkpoint could not be written: {error}.")
