"""Drawings whose label a person corrected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from backend.domain.prediction import HardExample


class HardExamples(Protocol):
    def add(self, example: HardExample) -> None:
        """Keep the example. A picture is kept once: the same label again changes nothing, another label takes the place
        of the first."""
        ...

    def remove(self, example_id: str) -> HardExample:
        """Forget the example and return it; what trained on it keeps its own copy. Raises `NotFoundError`."""
        ...

    def list_examples(self) -> Sequence[HardExample]:
        """Every example, newest first; empty when there are none."""
        ...
