"""The training code that ships: the folder `backend/digits` alone, the same bytes for the same code.

It is kept in the bucket as an archive under the digest of its content, so that a job's description names the very code
that it ran. Single jobs unpack it in their `code` channel, trials get it from SageMaker's training toolkit.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path
from typing import Final

from backend.adapters.sagemaker.objects import Bucket

FOLDER: Final = Path(__file__).resolve().parents[2] / "digits"
ENTRY_SCRIPT: Final = "train.py"
REQUIREMENTS: Final = "requirements.txt"
_SHIPPED: Final = frozenset({".py", ".txt", ".npz"})


def shipped(folder: Path = FOLDER) -> list[Path]:
    """The files that ship, in name order: code and data, no caches."""
    return sorted(path for path in folder.rglob("*") if path.suffix in _SHIPPED and "__pycache__" not in path.parts)


def digest(folder: Path = FOLDER) -> str:
    """The SHA-256 of names and contents, in hexadecimal."""
    found = hashlib.sha256()
    for path in shipped(folder):
        content = path.read_bytes()
        found.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()


def archive(folder: Path = FOLDER) -> bytes:
    """The files as a tar.gz without times, owners and modes of this machine."""
    raw = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in shipped(folder):
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            content = path.read_bytes()
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return raw.getvalue()


def upload(bucket: Bucket, folder: Path = FOLDER) -> str:
    """See to it that the code is in the bucket; its address."""
    key = f"source/{digest(folder)}/sourcedir.tar.gz"
    if not bucket.exists(bucket.uri(key)):
        bucket.upload(key, archive(folder))
    return bucket.uri(key)
