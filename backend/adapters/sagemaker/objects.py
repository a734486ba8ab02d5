"""Small documents in an S3 bucket, written only under the conditions that their keepers need.

S3 reads after writes are consistent and `If-None-Match: *` and `If-Match: <ETag>` are decided by S3 itself, so that two
writers on two machines cannot both win. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from backend.adapters.sagemaker.errors import LostRaceError, translating
from backend.adapters.sagemaker.session import Aws
from backend.errors import NotFoundError

ROOT: Final = "digits/"
"""Everything of ours in the bucket is below it."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What an object holds, the ETag it has, and how long ago it was written by S3's own clock, in seconds."""

    content: bytes
    etag: str
    age_s: float


class Objects:
    """The objects of ours in the account's bucket; keys are given without the root."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._bucket = aws.account.bucket

    def uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{ROOT}{key}"

    def create(self, key: str, content: bytes) -> str:
        """Write a new object; returns its ETag. Raises `LostRaceError` when there is one."""
        return self._put(key, content, IfNoneMatch="*")

    def replace(self, key: str, content: bytes, *, etag: str) -> str:
        """Write over the object with this ETag; returns the new one. Raises `LostRaceError` when it has another."""
        return self._put(key, content, IfMatch=etag)

    def read(self, key: str) -> Stored | None:
        """The object as it is now; None when there is none."""
        try:
            with translating(f"read {self.uri(key)}"):
                answer = self._aws.s3().get_object(Bucket=self._bucket, Key=ROOT + key)
                return Stored(content=answer["Body"].read(), etag=answer["ETag"], age_s=_age(answer))
        except NotFoundError:
            return None

    def keys(self, below: str, *, after: str = "") -> Iterator[str]:
        """Every key that begins with `below`, in S3's order (of UTF-8 bytes), page after page; from `after` on."""
        start = {"StartAfter": ROOT + after} if after else {}
        with translating(f"list {self.uri(below)}"):
            pages = self._aws.s3().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=ROOT + below, **start):
                for entry in page.get("Contents", ()):
                    yield entry["Key"].removeprefix(ROOT)

    def _put(self, key: str, content: bytes, **condition: str) -> str:
        try:
            with translating(f"write {self.uri(key)}"):
                answer = self._aws.s3("write").put_object(
                    Bucket=self._bucket,
                    Key=ROOT + key,
                    Body=content,
                    ContentType="application/json",
                    **condition,
                )
                return str(answer["ETag"])
        except NotFoundError as error:
            # If-Match about an object that was deleted meanwhile is answered with 404.
            raise LostRaceError(f"{self.uri(key)} is gone: somebody deleted it meanwhile.") from error


def _age(answer: Any) -> float:
    """Both times are S3's, so that a wrong clock here makes no lock look old."""
    now = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    asked = parsedate_to_datetime(now) if now else datetime.now(UTC)
    return max(0.0, (asked - answer["LastModified"]).total_seconds())
