"""Model archives on S3, each under a key that contains the SHA-256 of its bytes and is written once.

`models/sha256-<digest>/model.tar.gz`. S3 itself computes the digest of what arrives and refuses other bytes
(`x-amz-checksum-sha256`), and refuses a second write (`If-None-Match: *`): what such a key names can be told from the
key alone. https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

from backend.adapters.sagemaker.errors import LostRaceError, translating
from backend.adapters.sagemaker.names import archive_key, sha256_of_key
from backend.adapters.sagemaker.objects import ROOT
from backend.adapters.sagemaker.session import Aws
from backend.errors import ArchiveRejectedError, NotFoundError, StoreError

_FOLDER: Final = f"{ROOT}models/"
_CHUNK_BYTES: Final = 2**20


class Artifacts:
    """The archives in the account's bucket; `cache` is a folder of this machine for what was fetched."""

    def __init__(self, aws: Aws, cache: Path) -> None:
        self._aws = aws
        self._bucket = aws.account.bucket
        self._cache = cache

    def uri(self, sha256: str) -> str:
        """Where the archive with this digest is, or would be."""
        return f"s3://{self._bucket}/{archive_key(_FOLDER, sha256)}"

    def keep(self, archive: Path, sha256: str) -> str:
        """Store the archive for ever and return its URI; nothing is sent when it is there already.

        Raises `ArchiveRejectedError` when the file has another digest, `StoreError` when other bytes are under its key.
        """
        observed = _digest(archive)
        if observed != sha256:
            raise ArchiveRejectedError(
                f"Archive '{archive.name}' has SHA-256 {observed[:12]}; expected {sha256[:12]}.",
                hint="The file changed after its job completed. Train again.",
            )
        if not self._is_kept(sha256):
            self._send(archive, sha256)
        return self.uri(sha256)

    def fetch(self, uri: str) -> Path:
        """A read-only copy on this machine of the archive under a write-once URI of ours; fetched once.

        Raises `NotFoundError` when it is gone or is no such URI, `StoreError` when it holds other bytes.
        """
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        sha256 = sha256_of_key(key)
        if sha256 is None:
            raise NotFoundError(
                f"'{uri}' is no archive of ours: its key does not name the SHA-256 of its bytes.",
                hint="Register the model with `python -m backend register`; it is then kept under such a key.",
            )
        path = self._cache / f"sha256-{sha256}" / "model.tar.gz"
        if path.is_file() and _digest(path) == sha256:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        incoming = path.with_name(f".incoming-{secrets.token_hex(8)}")
        try:
            with translating(f"fetch '{uri}'"), incoming.open("wb") as file:
                body = self._aws.s3().get_object(Bucket=bucket, Key=key)["Body"]
                for chunk in body.iter_chunks(_CHUNK_BYTES):
                    file.write(chunk)
            observed = _digest(incoming)
            if observed != sha256:
                raise StoreError(f"'{uri}' holds bytes with SHA-256 {observed}: it was overwritten.")
            incoming.chmod(0o444)
            os.replace(incoming, path)  # noqa: PTH105 - over a read-only file that rotted, too
        finally:
            incoming.unlink(missing_ok=True)
        return path

    def _is_kept(self, sha256: str) -> bool:
        try:
            with translating(f"look at '{self.uri(sha256)}'"):
                head = self._aws.s3().head_object(
                    Bucket=self._bucket, Key=archive_key(_FOLDER, sha256), ChecksumMode="ENABLED"
                )
        except NotFoundError:
            return False
        if head.get("ChecksumSHA256") != _as_checksum(sha256):
            # Not sent by us, or in parts: only its bytes can tell.
            self.fetch(self.uri(sha256))
        return True

    def _send(self, archive: Path, sha256: str) -> None:
        try:
            with translating(f"store '{self.uri(sha256)}'"), archive.open("rb") as body:
                self._aws.s3("write").put_object(
                    Bucket=self._bucket,
                    Key=archive_key(_FOLDER, sha256),
                    Body=body,
                    ContentType="application/gzip",
                    ChecksumSHA256=_as_checksum(sha256),
                    IfNoneMatch="*",
                )
        except LostRaceError:
            # Somebody sent the same archive at the same time, or our own first attempt arrived after all.
            self._is_kept(sha256)


def _as_checksum(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
