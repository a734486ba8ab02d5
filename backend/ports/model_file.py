"""The file that declares what should be served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from backend.domain.model_config import ModelConfig


class ModelFile(Protocol):
    name: str
    """Its path in the repository."""

    def read(self) -> str:
        """Its text as it is at this moment. Raises `NotFoundError`."""
        ...

    def write(self, text: str) -> None:
        """Replace it as a whole. Raises `InvalidInputError` when that cannot be."""
        ...

    def parse(self, text: str) -> ModelConfig:
        """Raises `InvalidInputError` that names the line of what is wrong."""
        ...

    def changed(self, text: str, values: Mapping[str, str | None]) -> str:
        """The text with other values, comments kept; None takes a key away. Raises as `parse`."""
        ...
