"""Images and labels in NumPy's files: an .npz, or a folder of .npy files, which are mapped and never loaded whole.

An .npz has Keras' layout (`x_train`, `y_train`, `x_test`, `y_test`) or `images` and `labels`. A folder has one .npz, or
`images.npy` and `labels.npy`, with `test_images.npy` and `test_labels.npy` if one likes. Every file is looked through
before it is used: what is wrong is said with the file and its first bad record.
"""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .failures import DatasetError

Notify = Callable[[str], None]

LARGEST_NPZ: Final = 4_000_000_000
"""Bytes that an .npz may unpack to: it is read into memory."""
_FEWEST: Final = 10
_BLOCK: Final = 65_536
_IMAGES_NPY, _LABELS_NPY = "images.npy", "labels.npy"
_TEST_NPY: Final = ("test_images.npy", "test_labels.npy")
_UNREADABLE: Final = (OSError, ValueError, EOFError, tokenize.TokenError)
"""What NumPy raises for a broken array; the last one for some headers, which it reads as Python."""
_LAYOUTS: Final = (("x_train", "y_train", "x_test", "y_test"), ("images", "labels"))


@dataclass(frozen=True, kw_only=True)
class ArrayFiles:
    """Images uint8 [n, 28, 28] and labels uint8 [n] in 0..9; the test ones are None where the files bring none."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    test_images: npt.NDArray[np.uint8] | None = None
    test_labels: npt.NDArray[np.uint8] | None = None


def in_folder(folder: Path, named_by: str) -> Path:
    """What to read of a folder: itself if it has images.npy, else its mnist.npz or its only .npz.

    Raises `DatasetError` when it has none of them; `named_by` tells who named the folder.
    """
    if (folder / _IMAGES_NPY).is_file():
        return folder
    if (folder / "mnist.npz").is_file():
        return folder / "mnist.npz"
    archives = sorted(folder.glob("*.npz"))
    if len(archives) == 1:
        return archives[0]
    found = f"{len(archives)} .npz files" if archives else "no such file"
    raise DatasetError(
        f"The folder '{folder}' ({named_by}) has {found}; expected {_IMAGES_NPY} and {_LABELS_NPY}, or one .npz."
    )


def read(path: Path, notify: Notify) -> ArrayFiles:
    """The arrays of an .npz file or of a folder of .npy files; raises `DatasetError`. `notify` hears of oddities."""
    return _read(path, _Checks(notify))


def read_few(path: Path, notify: Notify) -> ArrayFiles:
    """Like `read`, of images that only add to a data set: one is enough, and not every digit need occur."""
    return _read(path, _Checks(notify, fewest=1, every_digit=False))


@dataclass(frozen=True)
class _Checks:
    notify: Notify
    fewest: int = _FEWEST
    every_digit: bool = True


def _read(path: Path, checks: _Checks) -> ArrayFiles:
    if path.is_dir():
        return _read_folder(path, checks)
    if not path.is_file():
        raise DatasetError(f"The data set '{path}' does not exist.")
    return _read_npz(path, checks)


def _read_folder(folder: Path, checks: _Checks) -> ArrayFiles:
    images, labels = (_mapped(folder / name) for name in (_IMAGES_NPY, _LABELS_NPY))
    _check(folder / _IMAGES_NPY, "images", images, folder / _LABELS_NPY, "labels", labels, checks)
    tests = [folder / name for name in _TEST_NPY]
    if not any(path.exists() for path in tests):
        return ArrayFiles(images=images, labels=_bytes(labels))
    test_images, test_labels = (_mapped(path) for path in tests)
    _check(tests[0], "images", test_images, tests[1], "labels", test_labels, checks)
    return ArrayFiles(images=images, labels=_bytes(labels), test_images=test_images, test_labels=_bytes(test_labels))


def _mapped(path: Path) -> npt.NDArray[Any]:
    if not path.is_file():
        raise DatasetError(f"'{path}' does not exist.")
    try:
        wrong = _wrong_size(path)
        if not wrong:
            return np.load(path, mmap_mode="r", allow_pickle=False)
    except _UNREADABLE as error:
        raise DatasetError(f"'{path}' is not a whole .npy file: {type(error).__name__}: {error}") from error
    raise DatasetError(f"'{path}' is not a whole .npy file: {wrong}.")


def _wrong_size(path: Path) -> str:
    """What is missing or too much in an .npy file, by the shape that its beginning tells; empty when nothing is.

    Raises ValueError where there is no such beginning.
    """
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        size = path.stat().st_size - file.tell()
    record = dtype.itemsize * math.prod(shape[1:])
    if dtype.hasobject or not shape or not record:
        return ""
    if size < shape[0] * record:
        return f"it ends before record {size // record} of {shape[0]} is whole"
    return f"it has {size - shape[0] * record} bytes after its {shape[0]} records" if size > shape[0] * record else ""


def _read_npz(path: Path, checks: _Checks) -> ArrayFiles:
    try:
        # Opened here, because NumPy leaves the file open when it is no archive.
        with path.open("rb") as file, zipfile.ZipFile(file) as content:
            size = sum(entry.file_size for entry in content.infolist())
        if size > LARGEST_NPZ:
            raise DatasetError(
                f"'{path}' unpacks to {size / 1e9:.1f} GB, more than {LARGEST_NPZ / 1e9:.0f}: keep so many images in "
                f"{_IMAGES_NPY} and {_LABELS_NPY}, which need not fit into memory."
            )
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            layout = next((names for names in _LAYOUTS if names[0] in archive), _LAYOUTS[0])
            missing = [key for key in layout if key not in archive]
            if missing:
                raise DatasetError(f"'{path}' has no array '{missing[0]}'; expected {', '.join(layout)}.")
            arrays = [archive[key] for key in layout]
    except (*_UNREADABLE, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"'{path}' is not a whole .npz file: {type(error).__name__}: {error}") from error
    for at in range(0, len(layout), 2):
        _check(path, layout[at], arrays[at], path, layout[at + 1], arrays[at + 1], checks)
    images, labels, *tests = arrays
    if not tests:
        return ArrayFiles(images=images, labels=_bytes(labels))
    return ArrayFiles(images=images, labels=_bytes(labels), test_images=tests[0], test_labels=_bytes(tests[1]))


def _check(
    images_path: Path,
    images_name: str,
    images: npt.NDArray[Any],
    labels_path: Path,
    labels_name: str,
    labels: npt.NDArray[Any],
    checks: _Checks,
) -> None:
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
        hint = " Multiply 0..1 by 255 and round." if np.issubdtype(images.dtype, np.floating) else ""
        found = f"{images.dtype} {list(images.shape)}"
        raise DatasetError(f"'{images_path}': {images_name} is {found}; expected uint8 [n, 28, 28].{hint}")
    if not np.issubdtype(labels.dtype, np.integer) or labels.ndim != 1:
        found = f"{labels.dtype} {list(labels.shape)}"
        raise DatasetError(f"'{labels_path}': {labels_name} is {found}; expected integers [n].")
    if len(images) != len(labels):
        both = f"{images_name} has {len(images)} images and {labels_name} {len(labels)} labels"
        raise DatasetError(f"'{images_path}': {both}.")
    if len(images) < checks.fewest:
        found = f"{images_name} has {len(images)} images"
        raise DatasetError(f"'{images_path}': {found}; expected at least {checks.fewest}.")
    bad = np.flatnonzero((labels < 0) | (labels > 9))
    if len(bad):
        raise DatasetError(
            f"'{labels_path}': {labels_name}[{bad[0]}] is {labels[bad[0]]}; expected 0..9 "
            f"({len(bad)} such labels in all)."
        )
    absent = sorted(set(range(10)) - {int(label) for label in np.unique(labels)})
    if absent and checks.every_digit:
        raise DatasetError(f"'{labels_path}': {labels_name} has no {absent[0]}; every digit must occur.")
    _tell_blank(images_path, images_name, images, checks.notify)


def _tell_blank(path: Path, name: str, images: npt.NDArray[np.uint8], notify: Notify) -> None:
    """A picture without ink has a label all the same, and teaches nothing."""
    starts = range(0, len(images), _BLOCK)
    blank = [start + np.flatnonzero(~images[start : start + _BLOCK].any(axis=(1, 2))) for start in starts]
    found = np.concatenate(blank)
    if len(found):
        notify(f"'{path}': {name}[{found[0]}] is blank ({len(found)} such images in all).")


def _bytes(labels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return labels.astype(np.uint8)
