"""What an answer of the model must look like, wherever it was asked."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backend.errors import DeploymentFailedError

CLASSES: Final = 10
SUM_TOLERANCE: Final = 1e-3


def require_probabilities(answer: Any, *, count: int, who: str) -> npt.NDArray[np.float32]:
    """The answer as float32 [count, 10], each row in [0, 1] and summing to 1 within 1e-3.

    Raises `DeploymentFailedError` for anything else; `who` begins its sentence.
    """
    expected = [count, CLASSES]
    shape = list(getattr(answer, "shape", []))
    if shape != expected or answer.dtype != np.float32:
        raise DeploymentFailedError(
            f"{who} answers {getattr(answer, 'dtype', type(answer).__name__)} {shape}, expected float32 {expected}."
        )
    if not np.isfinite(answer).all():
        raise DeploymentFailedError(f"{who} answers with numbers that are not finite.")
    sums = answer.sum(axis=1)
    if answer.min() < -SUM_TOLERANCE or np.abs(sums - 1).max() > SUM_TOLERANCE:
        worst = sums[np.abs(sums - 1).argmax()]
        raise DeploymentFailedError(
            f"{who} answers with rows that are no probabilities: "
            f"one sums to {worst:.4f}, the least value is {answer.min():.4f}."
        )
    probabilities: npt.NDArray[np.float32] = answer
    return probabilities
