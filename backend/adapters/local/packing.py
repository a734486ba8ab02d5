"""The archives of a job: the same files give the same bytes, so that a digest names a model and not a moment."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
from pathlib import Path


def pack(folder: Path, archive: Path) -> None:
    """Write `folder`'s content as a tar.gz, in name order, without times, owners or modes of this machine.

    The archive appears under its name only once it is complete and on disk.
    """
    partial = archive.with_name(archive.name + ".partial")
    with partial.open("wb") as raw:
        with (
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for path in sorted(folder.rglob("*")):
                tar.add(path, arcname=path.relative_to(folder).as_posix(), recursive=False, filter=_anonymous)
        raw.flush()
        os.fsync(raw.fileno())
    partial.replace(archive)


def sha256_of(path: Path) -> str:
    """The SHA-256 of the file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = 0
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() else 0o644
    return member
