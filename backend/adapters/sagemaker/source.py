"""The training code that ships: the folder `backend/digits` alone, the same bytes for the same code.

It is kept in the bucket under the digest of its content, as files for single jobs and as an archive for trials, which
the containers start differently; a job's description so names the very code that it ran.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backend.adapters.sagemaker.objects import Bucket

FOLDER: Final = Path(__file__).resolve().parents[2] / "digits"
ENTRY_SCRIPT: Final = "train.py"
REQUIREMENTS: Final = "requirements.txt"
_SHIPPED: Final = frozenset({".py", ".txt", ".npz"})


@dataclass(frozen=True)
class Source:
    """Addresses of one version of the code."""

    files: str
    archive: str


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


def upload(bucket: Bucket, folder: Path = FOLDER) -> Source:
    """See to it that the code is in the bucket. The archive is written last: where it is, everything is."""
    key = f"source/{digest(folder)}"
    source = Source(files=bucket.uri(f"{key}/files/"), archive=bucket.uri(f"{key}/sourcedir.tar.gz"))
    if not bucket.exists(source.archive):
        for path in shipped(folder):
            bucket.upload(f"{key}/files/{path.relative_to(folder).as_posix()}", path.read_bytes())
        bucket.upload(f"{key}/sourcedir.tar.gz", archive(folder))
    return source
