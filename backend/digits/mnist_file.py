"""`mnist.npz`: where it may lie, and its download."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from .failures import DatasetError

URL: Final = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256: Final = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
"""Of Keras' mnist.npz: its cache and the download are held to it, as Keras does (keras/src/datasets/mnist.py)."""
_SIZE: Final = 11_490_434
_STALLED_SECONDS: Final = 20.0
_CHUNK: Final = 1 << 18


class UnavailableError(Exception):
    """There is no MNIST anywhere: said as a clause, without a full stop."""


def locate(environ: Mapping[str, str], notify: Callable[[str], None]) -> tuple[Path, str]:
    """The file and where it came from; downloads it when it is nowhere else.

    Raises `DatasetError` when a place was named and holds no file, `UnavailableError` when the download failed.
    """
    if given := environ.get("DIGITS_DATA"):
        return _named(Path(given).expanduser()), f"DIGITS_DATA ({given})"
    cached = Path(environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets" / "mnist.npz"
    if cached.is_file() and _sha256(cached) == SHA256:
        return cached, "Keras' cache"
    notify(f"Downloading MNIST (11 MB) from {URL}.")
    _download(cached)
    return cached, URL


def _named(path: Path) -> Path:
    if not path.is_file():
        raise DatasetError(f"DIGITS_DATA says that MNIST is '{path}', and there is no such file.")
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
