"""Records that are written once and never again: each is read from S3 once per process, many at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Generic, TypeVar

from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.records import from_document
from backend.errors import StoreError

Record = TypeVar("Record")

_READERS: Final = 10
"""boto3 keeps ten connections per client."""
_MOST: Final = 20_000


class Kept(Generic[Record]):
    """Records of one kind; safe to use from any thread. One that is not final yet is read each time."""

    def __init__(self, bucket: Bucket, kind: type[Record], is_final: Callable[[Record], bool] = lambda _: True) -> None:
        self._is_final = is_final
        self._bucket = bucket
        self._kind = kind
        self._known: OrderedDict[str, Record] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, key: str) -> Record:
        """Raises `StoreError` when there is none: whoever asks has seen the key."""
        with self._lock:
            if key in self._known:
                return self._known[key]
        document = self._bucket.find(key)
        if document is None:
            raise StoreError(
                f"'{self._bucket.uri(key)}' was listed and is gone: somebody deleted it.",
                hint="Records are never deleted. Restore it from the bucket's versions.",
            )
        record = from_document(self._kind, document, where=self._bucket.uri(key))
        if self._is_final(record):
            self._remember(key, record)
        return record

    def read_all(self, keys: Iterable[str]) -> Sequence[Record]:
        """In the order of the keys."""
        with ThreadPoolExecutor(_READERS, thread_name_prefix="s3") as readers:
            return list(readers.map(self.read, keys))

    def _remember(self, key: str, record: Record) -> None:
        with self._lock:
            self._known[key] = record
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
