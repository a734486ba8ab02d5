"""Sets of labelled drawings, kept for good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from backend.domain.example_sets import ExampleSet


class ExampleSets(Protocol):
    def keep(self, kept: ExampleSet, content: bytes) -> ExampleSet:
        """Keep the set with its .npz, `content`, and return it; the very same drawings are kept once, under their
        first name: that set is returned then.

        Raises `InvalidInputError` when other drawings have the name.
        """
        ...

    def list_sets(self) -> Sequence[ExampleSet]:
        """Every set, newest first; empty when there are none. Reads no drawings."""
        ...

    def content(self, sha256: str) -> bytes:
        """The set's .npz (images uint8 [n, 28, 28], labels uint8 [n], and what was predicted).

        Raises `NotFoundError` when it is not kept, `StoreError` when what is kept is something else now.
        """
        ...
