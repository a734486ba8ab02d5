"""The images: MNIST from wherever it can be had, or the 8 x 8 digits that scikit-learn brings along.

Whatever a choice is made on is the validation part, cut off the training images by a permutation that never changes.
The test part is for the final evaluation alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from . import digits8x8, mnist_file
from .failures import DatasetError

Pixels = npt.NDArray[np.uint8]
Notify = Callable[[str], None]

_SPLIT_SEED: Final = 20_251_123
"""Of the permutations that cut off validation images (and the 8 x 8 digits' test images); no setting changes it."""
_DIGITS8X8_TEST: Final = 360


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Images uint8 [n, 28, 28], ink bright on black, and labels uint8 [n] in 0..9, in three disjoint parts.

    `test_sha256` is the SHA-256 of the test images' bytes (C order) followed by the test labels' bytes.
    """

    name: str
    source: str
    train_images: Pixels
    train_labels: Pixels
    validation_images: Pixels
    validation_labels: Pixels
    test_images: Pixels
    test_labels: Pixels
    test_sha256: str


def load(
    name: str,
    *,
    limit: int = 0,
    validation_size: int = 5_000,
    environ: Mapping[str, str] = os.environ,
    notify: Notify,
) -> Dataset:
    """The data set `mnist`, `digits8x8`, or `auto`: MNIST if it can be had and else, with a notice, the 8 x 8 digits.

    MNIST is looked for in `$SM_CHANNEL_TRAINING/mnist.npz`, in `$DIGITS_DATA`, in Keras' cache, and is at last
    downloaded into that cache; `notify` is told. At most a tenth of the training images is held out for validation;
    `limit` keeps that many of the others (0 all). Raises `DatasetError`.
    """
    if name == "digits8x8":
        return _digits8x8(limit, validation_size)
    try:
        return _mnist(limit, validation_size, environ, notify)
    except mnist_file.UnavailableError as error:
        if name == "mnist":
            raise DatasetError(
                f"MNIST cannot be had: {error}. Set DIGITS_DATA to an mnist.npz, or train on 'digits8x8'."
            ) from error
        notify(f"MNIST cannot be had ({error}): training on the 8x8 digits instead, which have their own test set.")
        return _digits8x8(limit, validation_size)


def digest_of(images: Pixels, labels: Pixels) -> str:
    """The SHA-256 that names a test set."""
    digest = hashlib.sha256(np.ascontiguousarray(images).tobytes())
    digest.update(np.ascontiguousarray(labels).tobytes())
    return digest.hexdigest()


def _mnist(limit: int, validation_size: int, environ: Mapping[str, str], notify: Notify) -> Dataset:
    path, source = mnist_file.locate(environ, notify)
    arrays = mnist_file.read(path)
    order = _order(len(arrays.x_train))
    held_out = _held_out(len(order), validation_size)
    train, validation = order[:-held_out], order[-held_out:]
    train = train[:limit] if limit else train
    return Dataset(
        name="mnist",
        source=source,
        train_images=arrays.x_train[train],
        train_labels=arrays.y_train[train],
        validation_images=arrays.x_train[validation],
        validation_labels=arrays.y_train[validation],
        test_images=arrays.x_test,
        test_labels=arrays.y_test,
        test_sha256=digest_of(arrays.x_test, arrays.y_test),
    )


def _digits8x8(limit: int, validation_size: int) -> Dataset:
    enlarged, labels = digits8x8.load()
    order = _order(len(enlarged))
    test, rest = order[:_DIGITS8X8_TEST], order[_DIGITS8X8_TEST:]
    held_out = _held_out(len(rest), validation_size)
    train, validation = rest[:-held_out], rest[-held_out:]
    train_images, train_labels = digits8x8.varied(enlarged[train], labels[train], limit)
    test_images = digits8x8.plain(enlarged[test])
    return Dataset(
        name="digits8x8",
        source="bundled with scikit-learn",
        train_images=train_images,
        train_labels=train_labels,
        validation_images=digits8x8.plain(enlarged[validation]),
        validation_labels=labels[validation],
        test_images=test_images,
        test_labels=labels[test],
        test_sha256=digest_of(test_images, labels[test]),
    )


def _order(count: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(_SPLIT_SEED).permutation(count)


def _held_out(count: int, validation_size: int) -> int:
    return min(validation_size, max(1, count // 10))
