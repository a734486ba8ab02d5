"""Asking a model that serves no traffic."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from backend.domain.prediction import Answer
from backend.domain.registry import ModelVersion


class Candidates(Protocol):
    def predict(self, version: ModelVersion, archive: Path, images: npt.NDArray[np.float32]) -> Answer:
        """Ask the version's own archive about `images` [N, 28, 28, 1] in [0, 1], N from 1 to 64; no endpoint is used.

        The first question about a version takes a second or two; it waits ten seconds at most. Raises
        `ArchiveRejectedError` when the archive cannot be run, and `WorkFailedError` when it does not answer in time.
        """
        ...
