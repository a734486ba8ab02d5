"""Running a model archive over images, to see for oneself what it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from backend.domain.predictions import LabelledImages, Measurement

Say = Callable[[str], None]
"""Hears in a sentence what is being done."""


class ArchiveEvaluator(Protocol):
    """Archives are untrusted: nothing in one may reach more than the process that runs it."""

    def examine(self, archive: Path) -> str:
        """The SHA-256 of an archive that a stage could serve; takes about a second.

        Raises `ArchiveRejectedError` that says what is wrong with it, `NotFoundError` when there is no such file.
        """
        ...

    def run(
        self, archive: Path, *, sha256: str, test: str | LabelledImages, hard: Sequence[LabelledImages], say: Say
    ) -> Measurement:
        """Run it over the test images, the held-out drawings and, the `hard` examples, of which there may be
        several sets or none.

        `test` are the images themselves, or a data set as `train --dataset` takes it, of which the test part is tried.
        Takes some seconds. Raises `ArchiveRejectedError` for an archive that cannot be run or has other bytes than
        `sha256`, `InvalidInputError` when the data set cannot be had, `WorkFailedError` when the run breaks off.
        """
        ...
