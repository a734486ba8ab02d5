"""Sets of labelled drawings as S3 objects that are written once: one that claims the name, one with the drawings.

`registry/example-sets/names/<name>.json` says what the set is, `registry/example-sets/drawings/<sha256>.json` holds its
.npz.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from backend.adapters.local.drawings_file import require_drawings
from backend.adapters.sagemaker.errors import LostRaceError
from backend.adapters.sagemaker.kept import Kept
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.records import from_document, to_document
from backend.domain.example_sets import ExampleSet
from backend.errors import InvalidInputError, NotFoundError
from backend.ports.example_sets import ExampleSets

_NAMES: Final = "registry/example-sets/names/"
_DRAWINGS: Final = "registry/example-sets/drawings/"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Drawings:
    content: bytes


class S3ExampleSets:
    """`ExampleSets` in the bucket.

    Two people who keep the same drawings in one moment under two names keep one set with two names.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._sets = Kept(bucket, ExampleSet)

    def keep(self, kept: ExampleSet, content: bytes) -> ExampleSet:
        known = self.list_sets()
        same = [one for one in known if one.sha256 == kept.sha256]
        if same:
            return same[-1]
        with suppress(LostRaceError):  # the very same drawings
            self._bucket.create(f"{_DRAWINGS}{kept.sha256}.json", to_document(Drawings(content=content)))
        try:
            self._bucket.create(f"{_NAMES}{kept.name}.json", to_document(kept))
        except LostRaceError:
            holder = self._sets.read(f"{_NAMES}{kept.name}.json")
            if holder.sha256 == kept.sha256:
                return holder
            raise InvalidInputError(
                f"The name '{kept.name}' is taken: it is the set {holder.sha256[:12]} of {holder.n} drawings.",
                hint="Choose another name: a set never changes.",
            ) from None
        return kept

    def list_sets(self) -> Sequence[ExampleSet]:
        found = self._sets.read_all(self._bucket.keys(_NAMES))
        return sorted(found, key=lambda one: one.at, reverse=True)

    def content(self, sha256: str) -> bytes:
        key = f"{_DRAWINGS}{sha256}.json"
        document = self._bucket.find(key) if _SHA256.fullmatch(sha256) else None
        if document is None:
            raise NotFoundError(f"The set of hard examples '{sha256[:12]}' is not kept here.")
        where = self._bucket.uri(key)
        return require_drawings(from_document(Drawings, document, where=where).content, sha256, where=where)


def _conforms(adapter: S3ExampleSets) -> ExampleSets:
    return adapter
