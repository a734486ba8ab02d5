"""What an endpoint answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from backend.domain.serving import Stage


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an endpoint said about a batch: `probabilities` [N][10], each row summing to 1, and which version said it.

    `latency_ms` is the time from sending the request to having read the answer.
    """

    probabilities: tuple[tuple[float, ...], ...]
    version: int
    latency_ms: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One answer: the most probable digit, the ten probabilities, and who answered in how many milliseconds."""

    label: int
    probabilities: tuple[float, ...]
    latency_ms: float
    stage: Stage
    version: int


@dataclass(frozen=True, kw_only=True)
class HardExample:
    """A drawing whose label a person corrected (or confirmed).

    `pixels` is what the model saw (28 x 28 bytes, row by row, ink bright); `strokes` the drawing as JSON text, empty
    for an upload; `predicted` and `version` are what answered.
    """

    id: str
    label: int
    predicted: int
    version: int
    stage: Stage
    at: datetime
    by: str
    pixels: bytes
    strokes: str = ""
