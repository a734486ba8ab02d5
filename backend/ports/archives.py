"""Archives by their address."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class ArchiveSource(Protocol):
    def fetch(self, uri: str, beside: Path) -> Path:
        """A local path of the archive at the address; `beside` is the folder that relative paths begin at.

        The caller checks its digest. Raises `NotFoundError`, and `InvalidInputError` for an address that this platform
        cannot serve from.
        """
        ...
