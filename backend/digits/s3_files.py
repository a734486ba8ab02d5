"""A data set under an s3:// prefix, fetched once into a cache folder."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from .failures import DatasetError

_SUFFIXES: Final = (".npy", ".npz")


def fetch(address: str, notify: Callable[[str], None]) -> Path:
    """The folder that holds the .npy and .npz files right under `s3://bucket/prefix`.

    A file whose ETag is the one that was fetched before is not fetched again. Raises `DatasetError`.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    prefix = f"{prefix.rstrip('/')}/" if prefix and not prefix.endswith(_SUFFIXES) else prefix
    folder = (
        Path(tempfile.gettempdir()) / f"digits-s3-{hashlib.sha256(address.encode()).hexdigest()[:16]}-{os.getuid()}"
    )
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _require_own(folder)
        client = boto3.client("s3")
        found = [
            item
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
            for item in page.get("Contents", [])
            if item["Key"].endswith(_SUFFIXES)
        ]
        if not found:
            raise DatasetError(f"There is no .npy or .npz file under '{address}'.")
        for item in found:
            _fetch_one(client, bucket, item, folder, notify)
    except ClientError as error:
        code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        raise DatasetError(f"'{address}' cannot be read: {code}: {message}. {_hint(code)}") from error
    except BotoCoreError as error:
        raise DatasetError(
            f"'{address}' cannot be read: {error}. Check the credentials and the region (AWS_PROFILE, AWS_REGION)."
        ) from error
    except OSError as error:
        raise DatasetError(f"'{address}' cannot be kept in '{folder}': {error}.") from error
    return folder


def _require_own(folder: Path) -> None:
    """The place has a known name where everybody may write: what somebody else put there is no data set of ours."""
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise DatasetError(f"'{folder}' belongs to somebody else: remove it, or set TMPDIR to a folder of your own.")


def _fetch_one(client: Any, bucket: str, item: Any, folder: Path, notify: Callable[[str], None]) -> None:
    target = folder / item["Key"].rsplit("/", 1)[-1]
    mark = folder / f"{target.name}.etag"
    if target.is_file() and mark.is_file() and mark.read_text() == item["ETag"]:
        return
    notify(f"Downloading s3://{bucket}/{item['Key']} ({item['Size'] / 1e6:.0f} MB).")
    partial = folder / f"{target.name}.{os.getpid()}.partial"
    try:
        client.download_file(bucket, item["Key"], str(partial))
        mark.unlink(missing_ok=True)
        partial.replace(target)
        mark.write_text(item["ETag"])
    finally:
        partial.unlink(missing_ok=True)


def _hint(code: str) -> str:
    if code in ("AccessDenied", "403"):
        return "The role needs s3:ListBucket on the bucket and s3:GetObject on its objects."
    if code in ("NoSuchBucket", "404"):
        return "Check the name of the bucket."
    return "Check the address, the credentials and the region."
