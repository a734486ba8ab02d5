"""Corrected drawings as S3 objects, `hard-examples/<id>.json`; what one person corrects, everybody trains on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from backend.adapters.sagemaker.errors import LostRaceError
from backend.adapters.sagemaker.kept import Kept
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.records import from_document, to_document
from backend.domain.prediction import HardExample
from backend.errors import NotFoundError
from backend.ports.hard_examples import HardExamples

_FOLDER: Final = "hard-examples/"


class S3HardExamples:
    """`HardExamples` in the bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._examples = Kept(bucket, HardExample)

    def add(self, example: HardExample) -> None:
        with suppress(LostRaceError):  # the same picture under the same label is there already
            self._bucket.create(f"{_FOLDER}{example.id}.json", to_document(example))
        for other in self.list_examples():
            if other.pixels == example.pixels and other.id != example.id:
                self._bucket.delete(f"{_FOLDER}{other.id}.json")

    def remove(self, example_id: str) -> HardExample:
        key = f"{_FOLDER}{example_id}.json"
        document = self._bucket.find(key)
        if document is None:
            raise NotFoundError(
                f"No hard example '{example_id}'.", hint="`python -m backend hard-examples list` shows all."
            )
        self._bucket.delete(key)
        return from_document(HardExample, document, where=self._bucket.uri(key))

    def list_examples(self) -> Sequence[HardExample]:
        found = self._examples.read_all(self._bucket.keys(_FOLDER))
        return sorted(found, key=lambda example: (example.at, example.id), reverse=True)


def _conforms(adapter: S3HardExamples) -> HardExamples:
    return adapter
