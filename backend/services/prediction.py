"""Asking an endpoint about a picture, and keeping what a person says about the answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from backend.digits.normalise import normalise
from backend.digits.preprocess import decode_upload, preprocess
from backend.digits.strokes import parse_strokes, rasterise
from backend.domain.identity import Actor, Role
from backend.domain.prediction import HardExample, Prediction
from backend.domain.serving import Stage
from backend.errors import InvalidInputError
from backend.ports.clock import Clock
from backend.ports.hard_examples import HardExamples
from backend.ports.serving import ServingPlatform
from backend.services.auditing import Auditor

Pixels = npt.NDArray[np.uint8]
"""What a model sees before normalising: [28, 28], ink bright on black."""


def seen_from_strokes(strokes: object) -> Pixels:
    """The drawing as the model sees it; raises `InvalidInputError` for strokes that are none, or no ink."""
    try:
        return preprocess(rasterise(parse_strokes(strokes)))
    except ValueError as error:
        raise InvalidInputError(str(error), hint="Clear the canvas and draw again.") from error


def seen_from_file(content: bytes) -> Pixels:
    """The picture in an image file as the model sees it; raises `InvalidInputError` for anything else."""
    try:
        return preprocess(decode_upload(content))
    except ValueError as error:
        raise InvalidInputError(str(error), hint="Use a PNG or JPEG picture of one digit.") from error


class PredictionService:
    def __init__(self, serving: ServingPlatform, examples: HardExamples, auditor: Auditor, clock: Clock) -> None:
        self._serving = serving
        self._examples = examples
        self._auditor = auditor
        self._clock = clock

    def predict(self, stage: Stage, seen: Pixels) -> Prediction:
        """What the stage says the picture is. Raises as `ServingPlatform.predict`."""
        answer = self._serving.predict(stage, normalise(seen[np.newaxis]))
        probabilities = answer.probabilities[0]
        return Prediction(
            label=max(range(10), key=probabilities.__getitem__),
            probabilities=probabilities,
            latency_ms=answer.latency_ms,
            stage=stage,
            version=answer.version,
        )

    def correct(
        self, prediction: Prediction, label: int, seen: Pixels, strokes: Sequence[object], *, actor: Actor
    ) -> HardExample:
        """Keep the picture under the label a person gives it; the same picture and label are kept once."""
        actor.require(Role.OPERATOR, "correct a label")
        if not 0 <= label <= 9:
            raise InvalidInputError(f"The label is {label}; expected a digit from 0 to 9.")
        pixels = seen.tobytes()
        example = HardExample(
            id=hashlib.sha256(pixels + bytes([label])).hexdigest()[:16],
            label=label,
            predicted=prediction.label,
            version=prediction.version,
            stage=prediction.stage,
            at=self._clock(),
            by=actor.name,
            pixels=pixels,
            strokes=json.dumps(strokes) if strokes else "",
        )
        with self._auditor.audited(actor, "correct", f"hard example {example.id}") as effect:
            self._examples.add(example)
            effect.before = {"label": prediction.label, "version": prediction.version}
            effect.after = {"label": label}
        return example
