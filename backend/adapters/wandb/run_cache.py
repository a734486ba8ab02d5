"""What was read of logs, kept on disk: one index of what a list shows, and a file of columns for each large log.

Everything here can be made again: what is missing, broken or of another version is read anew from the logs.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from array import array
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from backend.adapters.wandb.log_format import FileState
from backend.adapters.wandb.run_digest import Columns, Digest
from backend.domain.tracking import Json, MediaItem, MetricDefinition

_VERSION: Final = 2
_MAGIC: Final = b"digits-run-columns"
_LENGTH: Final = struct.Struct("<Q")
_PLAIN: Final = (
    "offset",
    "mark",
    "damaged",
    "stuck",
    "version",
    "head",
    "config",
    "summary",
    "environment",
    "exit_code",
    "runtime",
    "forgotten_output",
)

Index = dict[str, tuple[FileState, dict[str, Json]]]


class RunCache:
    """`folder` is made when it is first written to. Failing to write is no failure: it costs time later."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load_index(self) -> Index:
        """By log, what it was and what a list told of it then."""
        try:
            document = json.loads((self._folder / "index.json").read_bytes())
            if document["version"] != _VERSION:
                return {}
            return {
                path: (FileState(inode=inode, size=size, mtime_ns=mtime_ns), told)
                for path, (inode, size, mtime_ns, told) in document["logs"].items()
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}

    def save_index(self, index: Mapping[str, tuple[FileState, dict[str, Json]]]) -> None:
        logs = {path: (state.inode, state.size, state.mtime_ns, told) for path, (state, told) in index.items()}
        self._write("index.json", json.dumps({"version": _VERSION, "logs": logs}).encode())

    def load(self, log: str, state: FileState) -> Digest | None:
        """The log's digest, if it is of the same file and no longer than that: it is gone on with from its offset."""
        try:
            content = (self._folder / _name(log)).read_bytes()
            return _digest(content, state)
        except (OSError, ValueError, TypeError, KeyError, IndexError, struct.error):
            return None

    def save(self, log: str, state: FileState, digest: Digest) -> None:
        self._write(_name(log), _content(digest, state))

    def _write(self, name: str, content: bytes) -> None:
        target = self._folder / name
        partial = target.with_name(f"{name}.{os.getpid()}.partial")
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial.write_bytes(content)
            partial.replace(target)
            return
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _name(log: str) -> str:
    return f"{hashlib.sha256(log.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.columns"


def _content(digest: Digest, state: FileState) -> bytes:
    arrays: list[array[Any]] = []

    def shape(columns: Columns) -> dict[str, Json]:
        arrays.extend((columns.steps, columns.times, *columns.columns.values()))
        return {
            "rows": len(columns.steps),
            "columns": list(columns.columns),
            "not_numbers": columns.not_numbers,
        }

    header = {
        "version": _VERSION,
        "inode": state.inode,
        "size": state.size,
        "digest": {name: getattr(digest, name) for name in _PLAIN},
        "definitions": [asdict(definition) for definition in digest.definitions.values()],
        "media": [asdict(item) for item in digest.media],
        "output": list(digest.output),
        "history": shape(digest.history),
        "system": shape(digest.system),
    }
    text = json.dumps(header).encode()
    return b"".join([_MAGIC, _LENGTH.pack(len(text)), text, *(column.tobytes() for column in arrays)])


def _digest(content: bytes, state: FileState) -> Digest | None:
    begin = len(_MAGIC) + _LENGTH.size
    if content[: len(_MAGIC)] != _MAGIC:
        return None
    (length,) = _LENGTH.unpack_from(content, len(_MAGIC))
    header = json.loads(content[begin : begin + length])
    if header["version"] != _VERSION or header["inode"] != state.inode or header["size"] > state.size:
        return None
    position = begin + length

    def taken(kind: str, rows: int) -> array[Any]:
        nonlocal position
        found: array[Any] = array(kind)
        found.frombytes(content[position : position + 8 * rows])
        if len(found) != rows:
            raise ValueError("cut off")
        position += 8 * rows
        return found

    def columns(shape: Mapping[str, Any]) -> Columns:
        rows = shape["rows"]
        return Columns(
            steps=taken("q", rows),
            times=taken("d", rows),
            columns={name: taken("d", rows) for name in shape["columns"]},
            not_numbers=shape["not_numbers"],
        )

    digest = Digest(**header["digest"])
    digest.definitions = {
        told["name"]: MetricDefinition(**{**told, "summaries": tuple(told["summaries"])})
        for told in header["definitions"]
    }
    digest.media = [MediaItem(**told) for told in header["media"]]
    digest.output = deque((tuple(piece) for piece in header["output"]), maxlen=digest.output.maxlen)
    digest.history = columns(header["history"])
    digest.system = columns(header["system"])
    return digest
