"""Asking an endpoint about a picture, and keeping what a person says about the answer."""

from __future__ import annotations

import contextvars
import hashlib
import io
import json
import queue
import threading
import tokenize
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from backend.digits.normalise import normalise
from backend.digits.plausible import require_digit
from backend.digits.preprocess import decode_upload, preprocess
from backend.digits.strokes import parse_strokes, rasterise
from backend.domain.identity import Actor, Role
from backend.domain.prediction import Answer, FileAnswer, HardExample, Occlusion, Prediction
from backend.domain.prediction_mix import Tally, tallied
from backend.domain.serving import Stage
from backend.errors import DeploymentFailedError, DigitsError, InvalidInputError, PlatformError, WrongStateError
from backend.ports.candidates import Candidates
from backend.ports.clock import Clock
from backend.ports.hard_examples import HardExamples
from backend.ports.registry import ModelRegistry
from backend.ports.serving import ServingPlatform
from backend.ports.upkeep import Tallies
from backend.services import occlusion
from backend.services.auditing import Auditor

Pixels = npt.NDArray[np.uint8]
"""What a model sees before normalising: [28, 28], ink bright on black."""


MOST_FILES: Final = 1_000
_SIDE: Final = 28
_NPY: Final = "Save what a model sees with np.save: uint8 [28, 28], ink bright."
_TOGETHER: Final = 64
"""Images in one request: see `ServingPlatform.predict`."""


class SeenFile(NamedTuple):
    """What the model sees of an image file; `inverted` when dark ink on a bright ground was turned round for it."""

    pixels: Pixels
    inverted: bool


def seen_from_strokes(strokes: object) -> Pixels:
    """The drawing as the model sees it; raises `InvalidInputError` for strokes that are none, no ink, or no digit."""
    try:
        seen = preprocess(rasterise(parse_strokes(strokes)))
        require_digit(seen)
    except ValueError as error:
        raise InvalidInputError(str(error), hint="Clear the canvas and draw again.") from error
    return seen


def seen_from_file(content: bytes) -> SeenFile:
    """The picture in an image file as the model sees it; raises `InvalidInputError` for anything but one digit."""
    try:
        upload = decode_upload(content)
        seen = preprocess(upload.image)
        require_digit(seen)
    except ValueError as error:
        raise InvalidInputError(str(error), hint="Use a PNG or JPEG picture of one digit.") from error
    return SeenFile(pixels=seen, inverted=upload.inverted)


def seen_from_npy(content: bytes) -> Pixels:
    """An .npy of uint8 [28, 28], taken as it is; raises `InvalidInputError` for anything else.

    Its beginning is read first: NumPy itself makes room for whatever size a file claims, and opens archives too.
    """
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_columns, dtype = read(file)
    except (ValueError, EOFError, tokenize.TokenError) as error:  # the last for some headers, which it reads as Python
        raise InvalidInputError(f"It is not an .npy file: {error}.", hint=_NPY) from error
    if dtype != np.uint8 or shape != (_SIDE, _SIDE):
        raise InvalidInputError(f"It holds {dtype} {list(shape)}; expected uint8 [28, 28].", hint=_NPY)
    data = file.read()
    if len(data) != _SIDE * _SIDE:
        raise InvalidInputError(f"It has {len(data)} bytes of pixels; expected {_SIDE * _SIDE}.", hint=_NPY)
    return np.frombuffer(data, np.uint8).reshape(_SIDE, _SIDE, order="F" if by_columns else "C")


class PredictionService:
    def __init__(
        self,
        serving: ServingPlatform,
        registry: ModelRegistry,
        candidates: Candidates,
        examples: HardExamples,
        tallies: Tallies,
        auditor: Auditor,
        clock: Clock,
    ) -> None:
        self._serving = serving
        self._tallies = tallies
        self._registry = registry
        self._candidates = candidates
        self._examples = examples
        self._auditor = auditor
        self._clock = clock

    def predict(self, stage: Stage, seen: Pixels) -> Prediction:
        """What the stage says the picture is. Raises as `ServingPlatform.predict`."""
        return _predictions(self._asked(stage, normalise(seen[np.newaxis])), stage)[0]

    def answers(self, stages: Sequence[Stage], seen: Pixels) -> Iterator[tuple[Stage, Prediction | DigitsError]]:
        """What each stage says, or why it does not, as the answers come: a stage that is slow holds up no other."""
        came: queue.SimpleQueue[tuple[Stage, Prediction | BaseException]] = queue.SimpleQueue()

        def ask(stage: Stage) -> None:
            try:
                came.put((stage, self.predict(stage, seen)))
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                came.put((stage, error))

        for stage in stages:
            # Each keeps the correlation id. Not a pool: a slow stage would take its threads away from the others.
            threading.Thread(target=contextvars.copy_context().run, args=(ask, stage), daemon=True).start()
        for _ in stages:
            stage, answer = came.get()
            if isinstance(answer, BaseException) and not isinstance(answer, DigitsError):
                raise answer
            yield stage, answer

    def try_candidate(self, number: int, seen: Pixels) -> Prediction:
        """What a version that need not serve says the picture is; no endpoint is asked.

        Raises `NotFoundError`, and as `Candidates.predict`.
        """
        version = self._registry.get(number)
        answer = self._candidates.predict(version, self._registry.fetch_archive(version), normalise(seen[np.newaxis]))
        return _predictions(answer, None)[0]

    def predict_files(self, stage: Stage, files: Sequence[tuple[str, bytes]]) -> Sequence[FileAnswer]:
        """What the stage says of each image file, in order; a file that is no picture of a digit has its error.

        Up to 64 pictures go in one request. Raises `InvalidInputError` for more than 1,000 files, and as `predict`.
        """
        if len(files) > MOST_FILES:
            raise InvalidInputError(f"There are {len(files):,} files; at most {MOST_FILES:,} are taken at once.")
        seen: dict[int, SeenFile] = {}
        errors: dict[int, str] = {}
        for place, (_, content) in enumerate(files):
            try:
                seen[place] = seen_from_file(content)
            except InvalidInputError as error:
                errors[place] = error.message
        said: dict[int, Prediction] = {}
        for first in range(0, len(seen), _TOGETHER):
            places = list(seen)[first : first + _TOGETHER]
            answer = self._asked(stage, normalise(np.stack([seen[place].pixels for place in places])))
            said |= zip(places, _predictions(answer, stage), strict=True)
        return [
            FileAnswer(
                name=name,
                prediction=said.get(place),
                error=errors.get(place, ""),
                inverted=place in seen and seen[place].inverted,
            )
            for place, (name, _) in enumerate(files)
        ]

    def _asked(self, stage: Stage, images: npt.NDArray[np.float32]) -> Answer:
        """Ask the stage, and count what it answered: labels and confidences, no image. Raises as `predict`."""
        try:
            answer = self._serving.predict(stage, images)
        except (PlatformError, DeploymentFailedError):
            self._tallies.add(stage, Tally(at=self._clock(), version=0, failed=1))
            raise
        self._tallies.add(stage, tallied(answer.probabilities, version=answer.version, at=self._clock()))
        return answer

    def explain(self, stage: Stage, seen: Pixels, prediction: Prediction) -> Occlusion:
        """Which parts of the picture the stage's `prediction` about it rests on; one batch of 64.

        Raises `WrongStateError` when the stage serves another version by now, and as `predict`.
        """
        answer = self._serving.predict(stage, occlusion.covered(normalise(seen[np.newaxis])[0]))
        if answer.version != prediction.version:
            raise WrongStateError(
                f"'{stage.value}' serves v{answer.version} now; the answer to explain is v{prediction.version}'s.",
                hint="Press Enter on the canvas to ask again.",
            )
        after = [row[prediction.label] for row in answer.probabilities]
        drops = occlusion.drops(max(prediction.probabilities), after)
        return Occlusion(
            label=prediction.label, version=answer.version, drops=tuple(tuple(row) for row in drops.tolist())
        )

    def correct(
        self, prediction: Prediction, label: int, seen: Pixels, strokes: Sequence[object], *, actor: Actor
    ) -> HardExample:
        """Keep the picture under the label a person gives it; the same picture and label are kept once."""
        self._auditor.require(actor, Role.OPERATOR, "correct a label", action="correct", subject="hard example")
        if prediction.stage is None:
            raise InvalidInputError("What is corrected is a stage's answer; a candidate serves nobody.")
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

    def remove_example(self, example_id: str, *, actor: Actor) -> HardExample:
        """Forget a hard example and return it; `keep_again` is the way back. Raises `NotFoundError`."""
        self._auditor.require(
            actor, Role.OPERATOR, "remove a hard example", action="forget", subject=f"hard example {example_id}"
        )
        with self._auditor.audited(actor, "forget", f"hard example {example_id}") as effect:
            example = self._examples.remove(example_id)
            effect.before = {"label": example.label, "predicted": example.predicted, "version": example.version}
        return example

    def keep_again(self, example: HardExample, *, actor: Actor) -> None:
        """Keep an example that was removed, as it was."""
        self._auditor.require(
            actor, Role.OPERATOR, "keep a hard example", action="correct", subject=f"hard example {example.id}"
        )
        with self._auditor.audited(actor, "correct", f"hard example {example.id}") as effect:
            self._examples.add(example)
            effect.after = {"label": example.label}


def _predictions(answer: Answer, stage: Stage | None) -> Sequence[Prediction]:
    return [
        Prediction(
            label=max(range(10), key=row.__getitem__),
            probabilities=row,
            latency_ms=answer.latency_ms,
            stage=stage,
            version=answer.version,
        )
        for row in answer.probabilities
    ]
