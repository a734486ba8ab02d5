"""The version of a deployment against the one it replaced, on the very images that both have answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from backend.domain.evidence import ChangedImage, Compared
from backend.domain.predictions import DataKind, LabelledImages, Predictions, flips
from backend.domain.registry import ModelVersion
from backend.domain.statistics import verdicts
from backend.errors import DifferentDataError, NotFoundError
from backend.ports.evaluations import EvaluationStore

PICTURES: Final = 24
"""Of each kind of change at most so many images are in the evidence; their numbers are told in full."""


def compare(evaluations: EvaluationStore, candidate: ModelVersion, base: ModelVersion) -> Sequence[Compared]:
    """One comparison for each kind of data that both were evaluated on; empty when there is none, or they are equal.

    Of hard examples, which grow, the newest set counts that the candidate answered, if the base answered it too.
    """
    if candidate.sha256 == base.sha256:
        return ()
    found = (_compared(evaluations, candidate, base, kind) for kind in DataKind)
    return tuple(compared for compared in found if compared is not None)


def _compared(
    evaluations: EvaluationStore, candidate: ModelVersion, base: ModelVersion, kind: DataKind
) -> Compared | None:
    new = evaluations.predictions(candidate.sha256, kind)
    old = evaluations.predictions(base.sha256, kind, new.data_sha256) if new else None
    if new is None or old is None:
        return None
    try:
        changed = flips(new, old)
    except DifferentDataError:
        return None  # the same name with other labels: nothing that could be compared
    images = _images(evaluations, new.data_sha256)
    (verdict,) = verdicts([changed.pair])
    return Compared(
        kind=kind,
        data_name=new.data_name,
        data_sha256=new.data_sha256,
        verdict=verdict,
        fixed=tuple(_changed(place, new, old, images) for place in changed.fixed[:PICTURES]),
        broken=tuple(_changed(place, new, old, images) for place in changed.broken[:PICTURES]),
    )


def _changed(place: int, new: Predictions, old: Predictions, images: LabelledImages | None) -> ChangedImage:
    return ChangedImage(
        place=place,
        label=new.labels[place],
        before=old.predicted[place],
        after=new.predicted[place],
        pixels=images.pixels(place) if images else b"",
    )


def _images(evaluations: EvaluationStore, data_sha256: str) -> LabelledImages | None:
    try:
        return evaluations.data(data_sha256)
    except NotFoundError:
        return None  # predictions that came without their images
