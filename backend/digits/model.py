"""The networks: Keras functional models from images [N, 28, 28, 1] in 0..1 to ten probabilities."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from .triton_config import INPUT_NAME, OUTPUT_NAME


def build(name: str, *, dropout: float = 0.0, precision: str = "fp32") -> keras.Model:
    """A network with fresh weights: `lean_d`, `lean_c`, `lean_e` or `reference`.

    The lean ones pool before batch normalisation and ReLU, which then work on a quarter of the values; they have
    34,650, 95,002 and 582,186 parameters. `reference` is the older project's, with 1,351,246. `dropout` acts before
    the last layer, in training only. With `precision` bfloat16 the layers compute in 16 bits, keep their weights in
    32, and the probabilities are float32. Raises KeyError for another name.
    """
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    image = layers.Input((28, 28, 1), name=INPUT_NAME)
    features = {"lean_d": _lean_d, "lean_c": _lean_c, "lean_e": _lean_e, "reference": _reference}[name](image)
    if dropout:
        features = layers.Dropout(dropout, name="dropout")(features)
    logits = layers.Dense(10, name="logits")(features)
    probabilities = layers.Activation("softmax", name=OUTPUT_NAME, dtype="float32")(logits)
    return keras.Model(image, probabilities, name=name)


def in_float32(network: keras.Model) -> keras.Model:
    """The same network and weights, to be exported: it computes in float32, whatever it was trained in."""
    plain = build(network.name)
    plain.set_weights(network.get_weights())
    plain(np.zeros((1, 28, 28, 1), np.float32))  # Keras exports no model that was never called
    return plain


def _lean_d(x: Any) -> Any:
    x = _block(x, 16, 5, pool=True)
    x = _block(x, 32, 5, pool=True)
    return layers.Flatten()(_block(x, 64, 3))


def _lean_c(x: Any) -> Any:
    x = _block(x, 16, 5, pool=True)
    x = _block(x, 48, 3)
    x = _block(x, 64, 3, pool=True)
    return layers.Flatten()(_block(x, 96, 3))


def _lean_e(x: Any) -> Any:
    x = _block(x, 32, 5, pool=True)
    x = _block(x, 64, 3)
    x = _block(x, 96, 3, pool=True)
    x = _block(x, 192, 3, padding="same")
    return layers.Flatten()(_block(x, 192, 3))


def _block(x: Any, filters: int, kernel: int, *, pool: bool = False, padding: str = "valid") -> Any:
    x = layers.Conv2D(filters, kernel, padding=padding, use_bias=False)(x)
    if pool:
        x = layers.MaxPooling2D(2)(x)
    # From the usual start of 1, the small variances here are not reached in a short training; from 0 they are.
    x = layers.BatchNormalization(momentum=0.9, moving_variance_initializer="zeros")(x)
    return layers.ReLU()(x)


def _reference(x: Any) -> Any:
    """Conv 32, then two branches of conv 64 and conv 256, side by side 512 channels, then dense 1000 and 500."""
    x = _conv_pool(x, 32)
    branches = [_conv_pool(_conv_pool(x, 64), 256) for _ in range(2)]
    x = layers.Flatten()(layers.Concatenate()(branches))
    x = layers.Dense(1000, activation="relu")(x)
    return layers.Dense(500, activation="relu")(x)


def _conv_pool(x: Any, filters: int) -> Any:
    return layers.MaxPooling2D(2)(layers.Conv2D(filters, 3, activation="relu")(x))
