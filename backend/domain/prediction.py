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
    """One answer: the most probable digit, the ten probabilities, and who answered in how many milliseconds.

    `stage` is None for a version that serves no traffic.
    """

    label: int
    probabilities: tuple[float, ...]
    latency_ms: float
    stage: Stage | None
    version: int


@dataclass(frozen=True, kw_only=True)
class Occlusion:
    """How much less sure of `label` the model is, by pixel [28][28], when a square over that pixel is covered.

    Probabilities, 1 for all of the confidence; below 0 where covering helps.
    """

    label: int
    version: int
    drops: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class FileAnswer:
    """What a stage said about one of several files: `prediction`, or `error` why it was not asked.

    `inverted`: its ink was dark on bright, and was turned round before anybody was asked.
    """

    name: str
    prediction: Prediction | None
    error: str = ""
    inverted: bool = False


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
