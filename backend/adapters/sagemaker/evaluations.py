"""What archives said of images, as S3 objects under the archive's and the data's SHA-256.

`evaluations/<archive>/summaries/<kind>-<data>.json` is small and says what there is, the same under `predictions/`
what was said of each image, and `evaluations/data/<data>.json` are the images.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from backend.adapters.sagemaker.errors import LostRaceError
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.records import from_document, to_document
from backend.domain.predictions import DataKind, Evaluated, LabelledImages, Predictions
from backend.errors import InvalidInputError, NotFoundError, StoreError
from backend.ports.evaluations import EvaluationStore

_FOLDER: Final = "evaluations/"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_READERS: Final = 10
"""boto3 keeps ten connections per client."""
_MOST_KEPT: Final = 32
"""Of ten thousand images each takes half a megabyte."""


class S3Evaluations:
    """`EvaluationStore` in the bucket. Predictions that were read are kept for as long as their summary stays."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._known: OrderedDict[tuple[str, Evaluated], Predictions] = OrderedDict()
        self._lock = threading.Lock()

    def save(self, predictions: Predictions) -> None:
        summary = Evaluated(
            kind=predictions.kind,
            data_name=predictions.data_name,
            data_sha256=predictions.data_sha256,
            n=predictions.n,
            right=predictions.right,
            at=predictions.at,
        )
        archive = predictions.archive_sha256
        # The summary last: whoever finds it finds what it speaks of.
        self._bucket.put(_key(archive, "predictions", summary), to_document(predictions))
        self._bucket.put(_key(archive, "summaries", summary), to_document(summary))

    def predictions(self, archive_sha256: str, kind: DataKind, data_sha256: str = "") -> Predictions | None:
        for summary in self.evaluated(archive_sha256):
            if summary.kind is kind and data_sha256 in ("", summary.data_sha256):
                return self._read(archive_sha256, summary)
        return None

    def evaluated(self, archive_sha256: str) -> Sequence[Evaluated]:
        if not _SHA256.fullmatch(archive_sha256):
            return []
        keys = list(self._bucket.keys(f"{_FOLDER}{archive_sha256}/summaries/"))
        with ThreadPoolExecutor(_READERS, thread_name_prefix="s3") as readers:
            found = list(readers.map(self._summary, keys))
        return sorted(found, key=lambda evaluated: evaluated.at, reverse=True)

    def save_data(self, data: LabelledImages) -> None:
        key = _data_key(data.sha256)
        if not self._bucket.exists(self._bucket.uri(key)):
            with suppress(LostRaceError):  # somebody kept the same images in this moment
                self._bucket.create(key, to_document(data))

    def data(self, data_sha256: str) -> LabelledImages:
        key = _data_key(data_sha256)
        document = self._bucket.find(key) if _SHA256.fullmatch(data_sha256) else None
        if document is None:
            raise NotFoundError(
                f"The images '{data_sha256[:12]}' are not kept here.",
                hint="They are kept once a version was evaluated on them: python -m backend evaluate VERSION",
            )
        try:
            kept = from_document(LabelledImages, document, where=self._bucket.uri(key))
        except InvalidInputError as error:
            raise StoreError(f"'{self._bucket.uri(key)}' cannot be used: {error.message}") from error
        if kept.sha256 != data_sha256:
            raise StoreError(
                f"'{self._bucket.uri(key)}' holds other images now: their SHA-256 is {kept.sha256[:12]}.",
                hint="Remove the object; the next evaluation keeps the images again.",
            )
        return kept

    def _summary(self, key: str) -> Evaluated:
        return from_document(Evaluated, self._bucket.read(key), where=self._bucket.uri(key))

    def _read(self, archive: str, summary: Evaluated) -> Predictions:
        with self._lock:
            if (archive, summary) in self._known:
                return self._known[archive, summary]
        key = _key(archive, "predictions", summary)
        document = self._bucket.find(key)
        if document is None:
            raise StoreError(
                f"'{self._bucket.uri(key)}' is gone, and its summary is still there.",
                hint="Evaluate the version again: python -m backend evaluate VERSION",
            )
        found = from_document(Predictions, document, where=self._bucket.uri(key))
        if found.at == summary.at:  # else they are being written anew at this moment
            with self._lock:
                self._known[archive, summary] = found
                if len(self._known) > _MOST_KEPT:
                    self._known.popitem(last=False)
        return found


def _key(archive: str, part: str, summary: Evaluated) -> str:
    return f"{_FOLDER}{archive}/{part}/{summary.kind.value}-{summary.data_sha256}.json"


def _data_key(data_sha256: str) -> str:
    return f"{_FOLDER}data/{data_sha256}.json"


def _conforms(adapter: S3Evaluations) -> EvaluationStore:
    return adapter
