"""Test images to try on Draw, and how the versions that serve fared on each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from backend.digits.known_digits import known_digits
from backend.domain.predictions import PIXELS, DataKind, LabelledImages
from backend.domain.registry import ModelVersion
from backend.domain.samples import Samples, judged
from backend.domain.serving import Stage
from backend.errors import NotFoundError
from backend.ports.evaluations import EvaluationStore
from backend.ports.registry import ModelRegistry
from backend.ports.serving import ServingPlatform

KNOWN: Final = "known digits"


class Sampling:
    def __init__(self, registry: ModelRegistry, serving: ServingPlatform, evaluations: EvaluationStore) -> None:
        self._registry = registry
        self._serving = serving
        self._evaluations = evaluations

    def samples(self) -> Samples:
        """The test images of prod's version, or staging's, or the newest that was run, judged by all who serve and
        were run on them; where none ever was, the known digits, without difficulties. Takes some tens of milliseconds.
        """
        served = self._served()
        for version in [*served, *self._registry.list_versions()]:
            said = self._evaluations.predictions(version.sha256, DataKind.TEST)
            if said is None:
                continue
            try:
                data = self._evaluations.data(said.data_sha256)
            except NotFoundError:
                continue
            others = [other for other in served if other.version != version.version]
            asked = {version.version: said} | {
                other.version: theirs
                for other in others
                if (theirs := self._evaluations.predictions(other.sha256, DataKind.TEST, said.data_sha256))
            }
            return judged(data, sorted(asked.items()))
        return Samples(data=known_images())

    def image(self, data_sha256: str, place: int) -> LabelledImages:
        """One image of a set that is kept, or of the known digits, alone. Raises `NotFoundError`."""
        known = known_images()
        data = known if data_sha256 == known.sha256 else self._evaluations.data(data_sha256)
        if not 0 <= place < len(data):
            raise NotFoundError(f"'{data.name}' ({data_sha256[:12]}) has {len(data):,} images: there is no {place}.")
        return LabelledImages(name=data.name, images=data.pixels(place), labels=data.labels[place : place + 1])

    def _served(self) -> Sequence[ModelVersion]:
        """The versions that serve, prod's first."""
        found: dict[int, ModelVersion] = {}
        for stage in (Stage.PROD, Stage.STAGING):
            current = self._serving.describe(stage).current
            if current is not None and current.version not in found:
                try:
                    found[current.version] = self._registry.get(current.version)
                except NotFoundError:
                    continue  # somebody else's: nothing is known of it
        return list(found.values())


@cache
def known_images() -> LabelledImages:
    """Two hundred digits drawn by us, which the gates ask, too."""
    images, labels = known_digits()
    assert images.size == PIXELS * len(labels)  # noqa: S101 - 28 x 28 each
    return LabelledImages(name=KNOWN, images=images.tobytes(), labels=labels.tobytes())
