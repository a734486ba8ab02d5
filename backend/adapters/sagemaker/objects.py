"""Documents and files in the product's bucket, with the conditional writes that make S3 a place to agree in.

Everything is under `digits/`. S3 is strongly consistent: what was written is what the next read sees. A write with
`If-None-Match: *` succeeds for one writer only, and one with `If-Match` only over the very bytes that were read. See
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from backend.adapters.sagemaker.errors import Kind, kind_of, translated, translating
from backend.adapters.sagemaker.session import Aws
from backend.errors import NotFoundError

ROOT: Final = "digits/"

Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A document as it is now: its ETag, and how many seconds ago it was written, to about one."""

    document: Document
    etag: str
    age_s: float


class Bucket:
    """Keys are relative to `digits/`. Every method may also raise `AccessError`, `ThrottledError`, `PlatformError`."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._name = aws.account.bucket

    def uri(self, key: str) -> str:
        return f"s3://{self._name}/{ROOT}{key}"

    def create(self, key: str, document: Document) -> str:
        """Write a document that must not be there yet; its ETag. Raises `LostRaceError` when it is there."""
        return self._put(key, document, {"IfNoneMatch": "*"})

    def replace(self, key: str, document: Document, *, etag: str) -> str:
        """Write over the document that was read with this ETag. Raises `LostRaceError` when it changed since."""
        return self._put(key, document, {"IfMatch": etag})

    def put(self, key: str, document: Document) -> str:
        """Write, whatever was there."""
        return self._put(key, document, {})

    def read(self, key: str) -> Document:
        """Raises `NotFoundError`."""
        return self.read_with_etag(key)[0]

    def read_with_etag(self, key: str) -> tuple[Document, str]:
        """Raises `NotFoundError`."""
        with translating(f"read {self.uri(key)}"):
            answer = self._aws.s3().get_object(Bucket=self._name, Key=ROOT + key)
            document: Document = json.loads(answer["Body"].read())
            return document, answer["ETag"]

    def look(self, key: str) -> Stored | None:
        """The document with its ETag and age; None when there is none."""
        with suppress(NotFoundError), translating(f"read {self.uri(key)}"):
            answer = self._aws.s3().get_object(Bucket=self._name, Key=ROOT + key)
            # Both times are S3's own: a wrong clock here makes nothing look old.
            now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
            return Stored(
                document=json.loads(answer["Body"].read()),
                etag=answer["ETag"],
                age_s=max(0.0, (now - answer["LastModified"]).total_seconds()),
            )
        return None

    def find(self, key: str) -> Document | None:
        """The document; None when there is none."""
        with suppress(NotFoundError):
            return self.read(key)
        return None

    def delete(self, key: str) -> None:
        """Deleting what is not there is no error."""
        with translating(f"delete {self.uri(key)}"):
            self._aws.s3("write").delete_object(Bucket=self._name, Key=ROOT + key)

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key that begins with `prefix`, in order, however many there are."""
        with translating(f"list {self.uri(prefix)}"):
            pages = self._aws.s3().get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=ROOT + prefix)
            for page in pages:
                for entry in page.get("Contents", []):
                    yield entry["Key"].removeprefix(ROOT)

    def upload(self, key: str, source: Path | bytes) -> str:
        """Write a file, in parts when it is large; its URI."""
        with translating(f"write {self.uri(key)}"):
            if isinstance(source, bytes):
                self._aws.s3("write").put_object(Bucket=self._name, Key=ROOT + key, Body=source)
            else:
                self._aws.s3("write").upload_file(str(source), self._name, ROOT + key)
        return self.uri(key)

    def copy(self, source: str, target: str) -> None:
        """Copy within the bucket, without fetching."""
        with translating(f"copy {self.uri(source)} to {self.uri(target)}"):
            self._aws.s3("write").copy({"Bucket": self._name, "Key": ROOT + source}, self._name, ROOT + target)

    def download(self, uri: str, target: Path) -> None:
        """Fetch any `s3://` object; it appears under `target` only once it is whole. Raises `NotFoundError`."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + ".partial")
        try:
            with translating(f"fetch {uri}"):
                self._aws.s3().download_file(bucket, key, str(partial))
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def exists(self, uri: str) -> bool:
        """Whether there is an object at any `s3://` address."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        try:
            self._aws.s3().head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if kind_of(error) is Kind.MISSING:
                return False
            raise translated(error, f"look at {uri}") from error
        return True

    def _put(self, key: str, document: Document, condition: dict[str, str]) -> str:
        body = json.dumps(document, sort_keys=True).encode()
        with translating(f"write {self.uri(key)}"):
            answer = self._aws.s3("write").put_object(
                Bucket=self._name,
                Key=ROOT + key,
                Body=body,
                ContentType="application/json",
                **condition,  # type: ignore[arg-type]
            )
            return answer["ETag"]
