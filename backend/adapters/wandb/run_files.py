"""What lies beside a log in a run's folder: files that were logged, and what the run printed."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from backend.adapters.wandb.run_digest import Digest
from backend.adapters.wandb.run_values import is_inside
from backend.domain.tracking import Console, ConsoleLine
from backend.errors import InvalidInputError, NotFoundError, StoreError
from backend.ports.tracking import LARGEST_MEDIA

_TAIL: Final = 2**20
"""Bytes of `output.log` that are looked at."""


def read(folders: Sequence[Path], path: str) -> bytes:
    """The file `path` of the first of `folders` that has it. Links are followed nowhere on the way.

    Raises `NotFoundError`, `InvalidInputError` for one that is too large, and `StoreError`.
    """
    if is_inside(path):
        for folder in folders:
            try:
                return _content(folder, path.replace("\\", "/").split("/"))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                if error.errno == 40:  # ELOOP: a link, which nobody follows here
                    continue
                raise StoreError(f"'{path}' cannot be read: {error.strerror}.") from error
    raise NotFoundError(f"The run has no file '{path[:200]}'.")


def _content(folder: Path, parts: Sequence[str]) -> bytes:
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    for part in parts[:-1]:
        try:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
        finally:
            os.close(place)
        place = inner
    try:
        file = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
    finally:
        os.close(place)
    with os.fdopen(file, "rb") as opened:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError
        if found.st_size > LARGEST_MEDIA:
            raise InvalidInputError(
                f"'{'/'.join(parts)}' has {found.st_size:,} bytes; expected at most {LARGEST_MEDIA:,}."
            )
        return opened.read(LARGEST_MEDIA)


def console(digests: Sequence[Digest], files: Path, lines: int) -> Console:
    """The last `lines` of what the log recorded of the console, else of `output.log`."""
    told = _recorded(digests)
    earlier = any(digest.forgotten_output for digest in digests)
    if not told:
        told, earlier = _log_tail(files)
    return Console(lines=tuple(told[-lines:]), earlier=earlier or len(told) > lines)


def _recorded(digests: Sequence[Digest]) -> list[ConsoleLine]:
    """Pieces put together to lines, each stream by itself; of a line that was drawn over, what was drawn last."""
    told: list[ConsoleLine] = []
    open_lines: dict[str, tuple[str, float]] = {}
    for digest in digests:
        for stream, text, at in digest.output:
            begun, began = open_lines.pop(stream, ("", at))
            *whole, rest = (begun + text).split("\n")
            told += [_line(line, stream, began) for line in whole]
            if rest:
                open_lines[stream] = (rest, at)
    told += [_line(rest, stream, at) for stream, (rest, at) in open_lines.items()]
    return told


def _line(text: str, stream: str, at: float) -> ConsoleLine:
    seen = text.rstrip("\r").rsplit("\r", 1)[-1]
    return ConsoleLine(text=seen, stream=stream, at=datetime.fromtimestamp(at, UTC) if 0 < at < 4e9 else None)


def _log_tail(files: Path) -> tuple[list[ConsoleLine], bool]:
    try:
        with os.fdopen(os.open(files / "output.log", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            content = file.read(_TAIL).decode("utf-8", "replace")
    except OSError:
        return [], False
    lines = content.removesuffix("\n").split("\n") if content else []
    return [_line(line, "stdout", 0.0) for line in lines], size > _TAIL
