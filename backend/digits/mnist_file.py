"""`mnist.npz`: where it may lie, its download, and the proof that a file is one."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .failures import DatasetError

URL: Final = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256: Final = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
"""Of Keras' mnist.npz: its cache and the download are held to it, as Keras does (keras/src/datasets/mnist.py)."""
_SIZE: Final = 11_490_434
_STALLED_SECONDS: Final = 20.0
_CHUNK: Final = 1 << 18


class UnavailableError(Exception):
    """There is no MNIST anywhere: said as a clause, without a full stop."""


@dataclass(frozen=True, kw_only=True)
class MnistArrays:
    """Images uint8 [n, 28, 28] and labels uint8 [n] in 0..9."""

    x_train: npt.NDArray[np.uint8]
    y_train: npt.NDArray[np.uint8]
    x_test: npt.NDArray[np.uint8]
    y_test: npt.NDArray[np.uint8]


def locate(environ: Mapping[str, str], notify: Callable[[str], None]) -> tuple[Path, str]:
    """The file and where it came from; downloads it when it is nowhere else.

    Raises `DatasetError` when a place was named and holds no file, `UnavailableError` when the download failed.
    """
    if channel := environ.get("SM_CHANNEL_TRAINING"):
        return _named(Path(channel) / "mnist.npz", "SM_CHANNEL_TRAINING"), "training channel"
    if given := environ.get("DIGITS_DATA"):
        return _named(Path(given).expanduser(), "DIGITS_DATA"), f"DIGITS_DATA ({given})"
    cached = Path(environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets" / "mnist.npz"
    if cached.is_file() and _sha256(cached) == SHA256:
        return cached, "Keras' cache"
    notify(f"Downloading MNIST (11 MB) from {URL}.")
    _download(cached)
    return cached, URL


def read(path: Path) -> MnistArrays:
    """The four arrays of a file in Keras' layout; raises `DatasetError` with the file and its first bad record."""
    try:
        # Opened here, because NumPy leaves the file open when it is no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = [key for key in ("x_train", "y_train", "x_test", "y_test") if key not in archive]
            if missing:
                raise DatasetError(f"'{path}' has no array '{missing[0]}'; expected x_train, y_train, x_test, y_test.")
            arrays = {key: archive[key] for key in ("x_train", "y_train", "x_test", "y_test")}
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"'{path}' is not a whole .npz file: {type(error).__name__}: {error}") from error
    for part in ("train", "test"):
        _check_part(path, part, arrays[f"x_{part}"], arrays[f"y_{part}"])
    return MnistArrays(
        x_train=arrays["x_train"],
        y_train=arrays["y_train"].astype(np.uint8),
        x_test=arrays["x_test"],
        y_test=arrays["y_test"].astype(np.uint8),
    )


def _check_part(path: Path, part: str, images: npt.NDArray[Any], labels: npt.NDArray[Any]) -> None:
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
        found = f"{images.dtype} {list(images.shape)}"
        raise DatasetError(f"'{path}': x_{part} is {found}; expected uint8 [n, 28, 28].")
    if not np.issubdtype(labels.dtype, np.integer) or labels.ndim != 1:
        found = f"{labels.dtype} {list(labels.shape)}"
        raise DatasetError(f"'{path}': y_{part} is {found}; expected integers [n].")
    if len(images) != len(labels):
        raise DatasetError(f"'{path}': x_{part} has {len(images)} images and y_{part} {len(labels)} labels.")
    if len(images) < 10:
        raise DatasetError(f"'{path}': x_{part} has {len(images)} images; expected at least 10.")
    bad = np.flatnonzero((labels < 0) | (labels > 9))
    if len(bad):
        raise DatasetError(
            f"'{path}': y_{part}[{bad[0]}] is {labels[bad[0]]}; expected 0..9 ({len(bad)} such labels in all)."
        )


def _named(path: Path, variable: str) -> Path:
    if not path.is_file():
        raise DatasetError(f"{variable} says that MNIST is '{path}', and there is no such file.")
    return path


def _download(target: Path) -> None:
    """Fetch into place, whole or not at all; twenty seconds without a byte end it."""
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    digest = hashlib.sha256()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(URL, timeout=_STALLED_SECONDS) as response, partial.open("wb") as file:
            while chunk := response.read(_CHUNK):
                digest.update(chunk)
                if file.write(chunk) and file.tell() > _SIZE * 2:
                    raise UnavailableError("the download is not MNIST: it is larger")
        if digest.hexdigest() != SHA256:
            raise UnavailableError(f"the download is not MNIST: its SHA-256 is {digest.hexdigest()}")
        partial.replace(target)
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(f"the download failed: {getattr(error, 'reason', None) or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
