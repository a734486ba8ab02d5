"""samples: test images to try, by digit and difficulty, and what the stages say of them."""

from __future__ import annotations

from argparse import Namespace
from typing import Any, Final

import numpy as np

from backend.assembly import Backend
from backend.cli.documents import Answer, Document, table
from backend.domain.prediction import Prediction
from backend.domain.samples import Difficulty, Samples
from backend.domain.serving import Stage
from backend.errors import InvalidInputError

MOST: Final = 10_000


def samples(backend: Backend, options: Namespace) -> Answer:
    """The first so many; with `--ask`, each as a drawing would be: of every stage that serves."""
    if not 1 <= options.count <= MOST:
        raise InvalidInputError(f"--count is {options.count}; expected 1 to {MOST:,}.")
    found = backend.sampling.samples()
    places = found.places(options.digit, Difficulty(options.difficulty) if options.difficulty else None)
    stages = [stage for stage in Stage if backend.serving.describe(stage).wanted is not None] if options.ask else []
    documents = [_document(backend, found, place, stages) for place in places[: options.count]]
    rows = [
        {
            "image": document["place"],
            "label": document["label"],
            "difficulty": document["difficulty"],
            **{stage: _said(answer) for stage, answer in document["asked"].items()},
        }
        for document in documents
    ]
    note = "" if found.judges else "\nNo version was run over a test set yet: these are the known digits."
    return documents, table(rows, "None of these.") + note, 0


def _document(backend: Backend, found: Samples, place: int, stages: list[Stage]) -> Document:
    label = found.data.labels[place]
    seen = np.frombuffer(found.data.pixels(place), np.uint8).reshape(28, 28)
    asked = {stage.value: _answer(answer, label) for stage, answer in backend.prediction.answers(stages, seen)}
    return {
        "place": place,
        "data": found.data.name,
        "data_sha256": found.data.sha256,
        "label": label,
        "difficulty": found.difficulties[place].value if found.judges else None,
        "asked": {stage.value: asked[stage.value] for stage in stages},
    }


def _answer(answer: Any, label: int) -> Document:
    if not isinstance(answer, Prediction):
        return {"error": answer.message}
    return {
        "label": answer.label,
        "probability": max(answer.probabilities),
        "version": answer.version,
        "right": answer.label == label,
    }


def _said(answer: Document) -> str:
    if "error" in answer:
        return "no answer"
    return f"{answer['label']} {answer['probability']:.1%}, {'right' if answer['right'] else 'WRONG'}"
