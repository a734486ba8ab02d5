"""Batch normalisation folded into the convolution before it: the same function in fewer operations.

A block conv, pool, normalise, ReLU becomes conv with bias and ReLU, pool. Normalising is an increasing function of each
channel where its scale is not negative, and so is ReLU: both then commute with taking a maximum, and ONNX Runtime makes
one operation of the convolution and the ReLU after it. A block that pools and has a negative scale is left as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Block:
    """A convolution without bias and the normalisation that can be folded into it; `relu` is what follows, if it is."""

    conv: Any
    normalisation: Any
    relu: Any

    def weights(self) -> list[Array]:
        scale, shift = _affine(self.normalisation)
        kernel = np.asarray(self.conv.kernel, np.float64)
        return [(kernel * scale).astype(np.float32), shift.astype(np.float32)]


def folded(network: keras.Model) -> keras.Model:
    """A network of its own that does in inference what `network`, float32, does: batch normalisation is folded where
    that is exact, dropout is gone. Layers keep their names, and so do input and output.
    """
    blocks = {block.conv.name: block for block in _blocks(network)}
    gone = {layer.name for block in blocks.values() for layer in (block.normalisation, block.relu) if layer is not None}
    gone |= {layer.name for layer in network.layers if isinstance(layer, layers.Dropout)}

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, layers.Flatten):
            return Rows.from_config(config)
        if block := blocks.get(layer.name):
            config |= {"use_bias": True, "activation": "linear" if block.relu is None else "relu"}
        return type(layer).from_config(config)

    def call(layer: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return inputs if layer.name in gone else layer(inputs, *args, **kwargs)

    plain = twin(network, clone, call)
    for layer in plain.layers:
        block = blocks.get(layer.name)
        layer.set_weights(block.weights() if block else network.get_layer(layer.name).get_weights())
    plain(np.zeros((1, *network.input_shape[1:]), np.float32))  # Keras exports no model that was never called
    return plain


def twin(network: keras.Model, clone: Callable[[Any], Any], call: Callable[..., Any]) -> keras.Model:
    """A network of the same shape, not compiled, of the layers that `clone` makes, each called by `call`."""
    # Cloning would also compile, from a configuration that names our own learning rate, which Keras does not find.
    bare = keras.Model(network.input, network.output, name=network.name)
    return keras.models.clone_model(bare, clone_function=clone, call_function=call)


class Rows(layers.Flatten):  # type: ignore[misc]  # Keras has no types
    """Keras' own asks a batch for its size each time, which is six operations of the ONNX file; this one is one."""

    def call(self, inputs: Any) -> Any:
        return ops.reshape(inputs, (-1, math.prod(inputs.shape[1:])))


def _blocks(network: keras.Model) -> list[_Block]:
    made_by = {id(layer.output): layer for layer in network.layers}
    # Every tensor here is the input of one layer, but for those of a branch, which no normalisation follows.
    follows = {id(layer.input): layer for layer in network.layers if not isinstance(layer.input, list)}
    blocks = []
    for layer in network.layers:
        if not isinstance(layer, layers.BatchNormalization):
            continue
        before = made_by[id(layer.input)]
        conv = made_by[id(before.input)] if isinstance(before, layers.MaxPooling2D) else before
        exact = conv is before or bool((_affine(layer)[0] >= 0).all())
        if isinstance(conv, layers.Conv2D) and not conv.use_bias and exact:
            after = follows.get(id(layer.output))
            blocks.append(_Block(conv, layer, after if isinstance(after, layers.ReLU) else None))
    return blocks


def _affine(normalisation: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What normalising does to each channel: y = scale * x + shift, in float64."""
    gamma, beta, mean, variance = (
        np.asarray(weights, np.float64)
        for weights in (
            normalisation.gamma, normalisation.beta, normalisation.moving_mean, normalisation.moving_variance
        )
    )  # fmt: skip
    scale = gamma / np.sqrt(variance + normalisation.epsilon)
    return scale, beta - mean * scale
