"""The model archive as untrusted input: read whole, checked, and turned into plain values.

A `model.tar.gz` holds `mnist/config.pbtxt` and `mnist/1/model.onnx` and nothing else. It is never unpacked to disk by
`tarfile`: its two members are read into memory within bounds, so no name, link or size in it can reach anything.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from backend.adapters.triton.model_config import parse_config
from backend.domain.serving import TRITON_MODEL
from backend.errors import ArchiveRejectedError

MAX_MODEL_BYTES: Final = 256 * 2**20
MAX_CONFIG_BYTES: Final = 64 * 2**10

_CONFIG = f"{TRITON_MODEL}/config.pbtxt"
_MODEL = f"{TRITON_MODEL}/1/model.onnx"
_FILES: Final = {_CONFIG: MAX_CONFIG_BYTES, _MODEL: MAX_MODEL_BYTES}
_FOLDERS: Final = (".", TRITON_MODEL, f"{TRITON_MODEL}/1")
_MAX_MEMBERS = 8
_OVERHEAD = 2**20


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A checked archive: its digest, the ONNX bytes with theirs, Triton's configuration as text and as JSON values."""

    sha256: str
    onnx: bytes
    onnx_sha256: str
    config_text: str
    config: Mapping[str, Any]


def read_archive(path: Path, *, sha256: str) -> Archive:
    """Read and check the archive, whose bytes must have the digest `sha256`.

    Raises `ArchiveRejectedError` that says what is wrong with it. The ONNX bytes are not looked into here.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != sha256:
                raise ArchiveRejectedError(
                    f"Archive '{path.name}' has SHA-256 {digest}, expected {sha256}.",
                    hint="The file changed after it was registered; register the model again.",
                )
            file.seek(0)
            members = _read_members(file, path.name)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise ArchiveRejectedError(f"Archive '{path.name}' cannot be read: {error}.") from error
    for name in _FILES:
        if not members.get(name):
            raise ArchiveRejectedError(f"Archive '{path.name}' has no '{name}', or it is empty.")
    text = members[_CONFIG].decode("utf-8", errors="replace")
    return Archive(
        sha256=digest,
        onnx=members[_MODEL],
        onnx_sha256=hashlib.sha256(members[_MODEL]).hexdigest(),
        config_text=text,
        config=parse_config(text),
    )


def _read_members(file: BinaryIO, archive: str) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    with _Bounded(fileobj=file) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as tar:
        for number, member in enumerate(tar):
            name = member.name.removeprefix("./").rstrip("/")
            shown = f"'{member.name[:80]!s}' in archive '{archive}'"
            if number >= _MAX_MEMBERS:
                raise ArchiveRejectedError(f"Archive '{archive}' has more than {_MAX_MEMBERS} members.")
            if member.isdir() and name in _FOLDERS:
                continue
            if not member.isreg():
                raise ArchiveRejectedError(f"{shown} is a {_kind(member)}; only plain files may be in it.")
            if name not in _FILES or name in members:
                raise ArchiveRejectedError(f"{shown} is not expected; it may hold {' and '.join(_FILES)} only, once.")
            if member.size > _FILES[name]:
                raise ArchiveRejectedError(f"{shown} has {member.size} bytes, at most {_FILES[name]} are taken.")
            content = tar.extractfile(member)
            if content is not None:
                members[name] = content.read()
    return members


def _kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return "link"
    return "folder" if member.isdir() else "special file"


class _Bounded(gzip.GzipFile):
    """Unpacks no more than the two files may have: a small archive can hold terabytes of zeros, even in a header."""

    _left = sum(_FILES.values()) + _OVERHEAD

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self._left -= len(data)
        if self._left < 0:
            raise tarfile.ReadError("it unpacks to more than a model may have")
        return data
