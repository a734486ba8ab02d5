"""The .npz of a set of labelled drawings, as any platform keeps it."""

from __future__ import annotations

import hashlib
import io
import zipfile

import numpy as np

from backend.errors import StoreError


def require_drawings(content: bytes, sha256: str, *, where: str) -> bytes:
    """The content, which holds the drawings that `sha256` names (of the images' bytes followed by the labels').

    Raises `StoreError`, which names `where` it lies, when it cannot be read or holds others.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as members:
            found = hashlib.sha256(members["images"].tobytes() + members["labels"].tobytes()).hexdigest()
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise StoreError(f"'{where}' cannot be read: {error}", hint="Bring it back from a backup.") from error
    if found != sha256:
        raise StoreError(
            f"'{where}' holds other drawings now: their SHA-256 is {found[:12]}.",
            hint="Bring it back from a backup: a set never changes.",
        )
    return content
