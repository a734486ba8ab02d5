"""Several versions against one base, on the very same images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from backend.domain.predictions import DataKind, Evaluated, Flips, Predictions
from backend.domain.registry import ModelVersion
from backend.domain.statistics import Verdict

MOST: Final = 20
"""Versions that are compared at once, the base among them."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A version, and how it stands against the base.

    `predictions` is None when it was not run on the data; then, and for the base itself, so are `flips` and `verdict`.
    """

    version: ModelVersion
    predictions: Predictions | None = None
    flips: Flips | None = None
    verdict: Verdict | None = None

    @property
    def name(self) -> str:
        return f"v{self.version.version}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`base` against `others`, in the order asked for, on `data` (None when the versions were run on nothing yet)."""

    kind: DataKind
    margin: float
    data: Evaluated | None
    base: Contender
    others: tuple[Contender, ...]

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """The base first."""
        return (self.base, *self.others)

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of the versions that were not run on the data."""
        return tuple(entry.version.version for entry in self.contenders if entry.predictions is None)
