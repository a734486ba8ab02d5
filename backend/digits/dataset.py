"""The images: MNIST from wherever it can be had, one's own files, or the 8 x 8 digits that scikit-learn brings along.

Whatever a choice is made on is the validation part, cut off the training images by a permutation that never changes.
The test part is for the final evaluation alone.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from . import array_files, digits8x8, mnist_file, s3_files
from .array_files import ArrayFiles
from .failures import DatasetError

Pixels = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.uint32]
Notify = Callable[[str], None]

BUNDLED: Final = "digits8x8"
_SPLIT_SEED: Final = 20_251_123
"""Of the permutations that cut off validation images (and test images, where none are given); no setting changes it."""
_DIGITS8X8_TEST: Final = 360
_LARGEST_TEST: Final = 10_000
"""Images cut off for the test when a file brings none: a sixth, and no more than this."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Images uint8 [m, 28, 28], ink bright on black, with labels uint8 [m] in 0..9, of which `rows` [n] belong here.

    The arrays may be memory-mapped files larger than the memory: nothing but the rows asked for is ever copied.
    """

    images: Pixels
    labels: Pixels
    rows: Rows

    @classmethod
    def whole(cls, images: Pixels, labels: Pixels) -> Part:
        return cls(images=images, labels=labels, rows=np.arange(len(images), dtype=np.uint32))

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: npt.NDArray[np.unsignedinteger] | slice) -> tuple[Pixels, Pixels]:
        """Images and labels at these places of the part, copied."""
        rows = self.rows[places]
        if not isinstance(self.images, np.memmap):
            return self.images[rows], self.labels[rows]
        # In the order of the file, so that the disk reads forward.
        order = np.argsort(rows)
        images, labels = np.empty((len(rows), 28, 28), np.uint8), np.empty(len(rows), np.uint8)
        images[order], labels[order] = self.images[rows[order]], self.labels[rows[order]]
        return images, labels


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Training, validation and test images, disjoint; the latter two uint8 [n, 28, 28] with labels uint8 [n].

    `test_sha256` is the SHA-256 of the test images' bytes (C order) followed by the test labels' bytes.
    """

    name: str
    source: str
    train: Part
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
    """The data set `mnist`, `digits8x8`, a path, an s3:// address, or `auto`: MNIST if it can be had and else, with a
    notice, the 8 x 8 digits.

    What lies in `$SM_CHANNEL_TRAINING` comes before all but the 8 x 8 digits. MNIST is looked for in `$DIGITS_DATA`, in
    Keras' cache, and is at last downloaded into that cache; `notify` is told. A path is an .npz file or a folder, an
    address a prefix of such files (see `array_files`). At most a tenth of the training images is held out for
    validation; `limit` keeps that many of the others (0 all). Raises `DatasetError`.
    """
    if name == BUNDLED:
        return _digits8x8(limit, validation_size)
    try:
        path, source = _locate(name, environ, notify)
    except mnist_file.UnavailableError as error:
        if name == "mnist":
            raise DatasetError(
                f"MNIST cannot be had: {error}. Set DIGITS_DATA to an mnist.npz, or train on 'digits8x8'."
            ) from error
        notify(f"MNIST cannot be had ({error}): training on the 8x8 digits instead, which have their own test set.")
        return _digits8x8(limit, validation_size)
    files = array_files.read(path, notify)
    return _parted(_short_name(name, path), source, files, limit, validation_size)


def digest_of(images: Pixels, labels: Pixels) -> str:
    """The SHA-256 that names a test set."""
    digest = hashlib.sha256(np.ascontiguousarray(images).tobytes())
    digest.update(np.ascontiguousarray(labels).tobytes())
    return digest.hexdigest()


def _locate(name: str, environ: Mapping[str, str], notify: Notify) -> tuple[Path, str]:
    if channel := environ.get("SM_CHANNEL_TRAINING"):
        return array_files.in_folder(Path(channel), "SM_CHANNEL_TRAINING"), "training channel"
    if name in ("auto", "mnist"):
        return mnist_file.locate(environ, notify)
    if name.startswith("s3://"):
        return array_files.in_folder(s3_files.fetch(name, notify), name), name
    path = Path(name).expanduser()
    return (array_files.in_folder(path, "the data set") if path.is_dir() else path), name


def _short_name(name: str, path: Path) -> str:
    if name in ("auto", "mnist"):
        return "mnist"
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name.rstrip("/").rsplit("/", 1)[-1] or path.name)
    return plain[:40].strip("-") or "files"


def _parted(name: str, source: str, files: ArrayFiles, limit: int, validation_size: int) -> Dataset:
    rows = _order(len(files.images))
    if files.test_images is None or files.test_labels is None:
        cut = min(_LARGEST_TEST, len(rows) // 6)
        test_images, test_labels = _taken(files, rows[:cut])
        rows = rows[cut:]
    else:
        test_images, test_labels = files.test_images, files.test_labels
    held_out = _held_out(len(rows), validation_size)
    train, validation = rows[:-held_out], rows[-held_out:]
    validation_images, validation_labels = _taken(files, validation)
    return Dataset(
        name=name,
        source=source,
        train=Part(images=files.images, labels=files.labels, rows=train[:limit] if limit else train),
        validation_images=validation_images,
        validation_labels=validation_labels,
        test_images=test_images,
        test_labels=test_labels,
        test_sha256=digest_of(test_images, test_labels),
    )


def _taken(files: ArrayFiles, rows: Rows) -> tuple[Pixels, Pixels]:
    return Part(images=files.images, labels=files.labels, rows=rows).take(slice(None))


def _digits8x8(limit: int, validation_size: int) -> Dataset:
    enlarged, labels = digits8x8.load()
    order = _order(len(enlarged))
    test, rest = order[:_DIGITS8X8_TEST], order[_DIGITS8X8_TEST:]
    held_out = _held_out(len(rest), validation_size)
    train, validation = rest[:-held_out], rest[-held_out:]
    test_images = digits8x8.plain(enlarged[test])
    return Dataset(
        name=BUNDLED,
        source="bundled with scikit-learn",
        train=Part.whole(*digits8x8.varied(enlarged[train], labels[train], limit)),
        validation_images=digits8x8.plain(enlarged[validation]),
        validation_labels=labels[validation],
        test_images=test_images,
        test_labels=labels[test],
        test_sha256=digest_of(test_images, labels[test]),
    )


def _order(count: int) -> Rows:
    """Always the same permutation, which is what `permutation` gives, but never in 64 bits."""
    order = np.arange(count, dtype=np.uint32)
    np.random.default_rng(_SPLIT_SEED).shuffle(order)
    return order


def _held_out(count: int, validation_size: int) -> int:
    return min(validation_size, max(1, count // 10))
