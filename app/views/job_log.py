"""A job's log: its end, live, to follow and search; all of it to download."""

from __future__ import annotations

from collections.abc import Callable

from app import theme
from app.components.log_viewer import log_viewer
from backend.domain.jobs import LogChunk


def job_log(name: str, tail: LogChunk, read: Callable[[str, int], LogChunk], *, title: str = "Log") -> None:
    """Show `tail`; `read(name, offset)` gives the pieces of the whole when someone downloads it."""
    with theme.card("log", title):
        cut = tail.size > len(tail.text.encode())
        log_viewer(tail.text, key="job_log", file_name=f"{name}.log", read_all=lambda: _whole(name, read), cut=cut)


def _whole(name: str, read: Callable[[str, int], LogChunk]) -> str:
    parts, offset = [], 0
    while (chunk := read(name, offset)).text:
        parts.append(chunk.text)
        offset = chunk.next_offset
    return "".join(parts)
