"""Pictures of digits in files, as commands take them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from backend.errors import InvalidInputError, NotFoundError
from backend.services.prediction import SeenFile, seen_from_file, seen_from_npy

_FILE_LIMIT_BYTES: Final = 50_000_000


def read_picture(path: Path) -> SeenFile:
    """An image file, or an .npy of uint8 [28, 28] that is taken as it is.

    Raises `NotFoundError`, and `InvalidInputError` for a file that cannot be read and for anything but one digit.
    """
    try:
        if path.stat().st_size > _FILE_LIMIT_BYTES:
            raise InvalidInputError(f"'{path}' has {path.stat().st_size} bytes; at most {_FILE_LIMIT_BYTES} are read.")
        content = path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"No file '{path}'.") from None
    except OSError as error:
        raise InvalidInputError(f"'{path}' cannot be read: {error.strerror}.") from error
    try:
        if path.suffix == ".npy":
            return SeenFile(pixels=seen_from_npy(content), inverted=False)
        return seen_from_file(content)
    except InvalidInputError as error:
        raise InvalidInputError(f"'{path}': {error.message}", hint=error.hint) from error
