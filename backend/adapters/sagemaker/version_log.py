"""What was said of model versions over time, as S3 objects: each is written once, none ever written over another."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Generic, TypeVar

from backend.adapters.sagemaker.kept import Kept
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.records import to_document

Record = TypeVar("Record")


class VersionLog(Generic[Record]):
    """Records `<folder>/<version>/<time>-<random><ending>`; keys sort by version, then by time."""

    def __init__(self, bucket: Bucket, folder: str, kind: type[Record]) -> None:
        self._bucket = bucket
        self._root = f"{folder}/"
        self._records = Kept(bucket, kind)

    def add(self, version: int, record: Record, *, at: datetime, ending: str = ".json") -> None:
        """Two in the same microsecond stand beside each other."""
        moment = at.strftime("%Y%m%dT%H%M%S%f")
        self._bucket.create(f"{self._folder(version)}{moment}-{secrets.token_hex(4)}{ending}", to_document(record))

    def all(self, version: int) -> Sequence[Record]:
        """Oldest first."""
        return self._records.read_all(self._bucket.keys(self._folder(version)))

    def latest(self, version: int | None = None, *, but: str = "") -> Mapping[int, Record]:
        """The newest of each version, or of one; keys that end with `but` are passed over. One listing of keys."""
        newest: dict[int, str] = {}
        for key in self._bucket.keys(self._folder(version)):
            if not but or not key.endswith(but):
                newest[int(key.removeprefix(self._root).partition("/")[0])] = key
        return dict(zip(newest, self._records.read_all(newest.values()), strict=True))

    def _folder(self, version: int | None) -> str:
        return self._root + ("" if version is None else f"{version:06d}/")
