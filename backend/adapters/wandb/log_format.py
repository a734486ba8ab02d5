"""The container of a `.wandb` file: LevelDB's log format with W&B's header.

Seven bytes of header (`:W&B`, uint16 0xBEE1, a version), then blocks of 32 KiB that are aligned to the file's
beginning. A block holds chunks: uint32 CRC, uint16 length, uint8 type (all little-endian), payload; fewer than seven
bytes at its end are padding. A record is one full chunk, or a first, some middle and a last one. The CRC is zlib's over
type and payload. https://github.com/google/leveldb/blob/main/doc/log_format.md

What is damaged is passed over and counted. What has no end yet is no damage: somebody is writing it.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from zlib import crc32

BLOCK: Final = 32_768
HEADER: Final = struct.Struct("<4sHB")
FIRST_RECORD: Final = HEADER.size
LARGEST_RECORD: Final = 64 * 2**20
"""Bytes; a longer one counts as damage."""
_CHUNK: Final = struct.Struct("<IHB")
_CHUNK_SIZE: Final = _CHUNK.size
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_CRC_OF_TYPE: Final = tuple(crc32(bytes((kind,))) for kind in range(5))
_PIECE: Final = 128 * BLOCK
"""Bytes held in memory at once, apart from a record."""


@dataclass(frozen=True, kw_only=True)
class FileState:
    """What tells whether a file changed: other bytes in an old place come with another inode or time."""

    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str | Path) -> FileState | None:
        """None unless it is a regular file: links are not followed, and nothing is opened."""
        try:
            found = os.lstat(path)
        except OSError:
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        return cls(inode=found.st_ino, size=found.st_size, mtime_ns=found.st_mtime_ns)


def open_log(path: str | Path) -> BinaryIO:
    """The file, which must be a regular one and no link, unbuffered. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"'{path}' is not a regular file")
    return os.fdopen(descriptor, "rb", buffering=0)


def version_of(header: bytes) -> int | None:
    """The format's version, 0 today; None when this is no file of W&B, or its header is not yet complete."""
    if len(header) < HEADER.size:
        return None
    name, magic, version = HEADER.unpack_from(header)
    return int(version) if (name, magic) == (b":W&B", 0xBEE1) else None


class LogReader:
    """The records of a file between two offsets, read piece by piece.

    `offset` is where to go on later: the beginning of the first record that has no end yet. `damaged` counts the places
    passed over for good, and `stuck` tells of one in the last block: more may be written behind it, so `offset` stays
    before it until the block is full.
    """

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self.offset = max(start, FIRST_RECORD)
        self.damaged = 0
        self.stuck = False
        self._file = file
        self._end = end
        self._begin = 0
        self._piece = b""

    def records(self) -> Iterator[bytes]:
        """Payloads in order. `offset` is past a record once the next one is asked for."""
        position = self.offset
        parts: list[bytes] = []
        size = 0
        lost = False  # within a damaged record: what belongs to it is no further damage
        while True:
            left = BLOCK - position % BLOCK
            if left < _CHUNK_SIZE:
                position += left
                if not parts:
                    self.offset = position
                continue
            chunk = self._chunk(position, left)
            if chunk is None:
                return
            kind, payload = chunk
            if kind == 0:
                parts.clear()
                lost = True
                after = self._after_damage(position, left)
                if after is None:
                    self.stuck = True
                    return
                self.damaged += 1
                position = self.offset = after
                continue
            position += _CHUNK_SIZE + len(payload)
            if kind in (_FULL, _FIRST):
                if parts:  # its writer died within it, and another went on
                    self.damaged += 1
                    parts.clear()
                lost = False
                if kind == _FULL:
                    yield payload
                    self.offset = position
                    continue
                self.offset = position - _CHUNK_SIZE - len(payload)
                parts.append(payload)
                size = len(payload)
                continue
            size += len(payload)
            if not parts or size > LARGEST_RECORD:
                self.damaged += not lost
                parts.clear()
                lost = True
                self.offset = position
                continue
            parts.append(payload)
            if kind == _LAST:
                yield b"".join(parts)
                parts.clear()
                self.offset = position

    def _chunk(self, position: int, left: int) -> tuple[int, bytes] | None:
        """Type and payload of the chunk at `position`; type 0 when it is damaged, None when it is not yet all there."""
        if position + _CHUNK_SIZE > self._end:
            return None
        start = position - self._begin
        if start < 0 or start + min(left, self._end - position) > len(self._piece):
            self._load(position)
            start = position - self._begin
        if start + _CHUNK_SIZE > len(self._piece):
            return None  # the file became shorter meanwhile
        checksum, length, kind = _CHUNK.unpack_from(self._piece, start)
        if not _FULL <= kind <= _LAST or _CHUNK_SIZE + length > left:
            return 0, b""
        start += _CHUNK_SIZE
        payload = self._piece[start : start + length]
        if len(payload) < length:
            return None
        return (kind, payload) if crc32(payload, _CRC_OF_TYPE[kind]) == checksum else (0, b"")

    def _after_damage(self, position: int, left: int) -> int | None:
        """Where to go on behind a damaged chunk: at the next one if its checksum is right, else at the next block.

        None when it is the last block and not yet full.
        """
        _, length, _ = _CHUNK.unpack_from(self._piece, position - self._begin)
        following = position + _CHUNK_SIZE + length
        if _CHUNK_SIZE + length + _CHUNK_SIZE <= left:
            chunk = self._chunk(following, left - _CHUNK_SIZE - length)
            if chunk is not None and chunk[0] != 0:
                return following
        return position + left if position + left <= self._end else None

    def _load(self, position: int) -> None:
        """The piece that begins with the block of `position`."""
        self._begin = position - position % BLOCK
        self._file.seek(self._begin)
        wanted = min(_PIECE, self._end - self._begin)
        read: list[bytes] = []
        while wanted > 0 and (data := self._file.read(wanted)):
            read.append(data)
            wanted -= len(data)
        self._piece = b"".join(read)
