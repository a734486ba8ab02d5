"""What a job prints: kept as its log, read for metrics and notices on the way, and read again in pieces."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from backend.digits.metric_lines import parse_line, parse_notice
from backend.domain.jobs import LogChunk, MetricPoint

LOG_LIMIT_BYTES: Final = 50_000_000
"""A trainer that prints without end must not fill the disk."""
_LINE_LIMIT: Final = 65_536
_LINE_LOOKBACK: Final = 4096


def read_log(log: Path, offset: int, limit: int) -> LogChunk:
    """`TrainingPlatform.read_log` for a file, which need not be there yet."""
    if not log.is_file():
        return LogChunk(text="", next_offset=0, size=0)
    with log.open("rb") as file:
        size = file.seek(0, 2)
        start = max(0, size + offset) if offset < 0 else min(offset, size)
        file.seek(start)
        raw = file.read(limit)
    cut = raw.rfind(b"\n", max(0, len(raw) - _LINE_LOOKBACK)) + 1
    if start + len(raw) < size and cut > 0:
        raw = raw[:cut]
    return LogChunk(text=raw.decode("utf-8", errors="replace"), next_offset=start + len(raw), size=size)


class TrainerOutput:
    """Copies the trainer's output on one thread; `take` hands over what was read since the last call on another."""

    def __init__(self, log: Path, notices: Sequence[str] = ()) -> None:
        """`notices` were known before the trainer said anything."""
        self._log = log
        self._lock = threading.Lock()
        self._points: list[MetricPoint] = []
        self._notices: list[str] = list(notices)
        self._seen_notices = 0
        self._seq = 0

    @property
    def notices(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._notices)

    def take(self) -> tuple[list[MetricPoint], tuple[str, ...] | None]:
        """The points since the last call, and the notices if there are new ones."""
        with self._lock:
            points, self._points = self._points, []
            fresh = len(self._notices) > self._seen_notices
            self._seen_notices = len(self._notices)
            return points, tuple(self._notices) if fresh else None

    def copy(self, stdout: IO[bytes]) -> None:
        written = 0
        with self._log.open("ab", buffering=0) as log:
            while line := stdout.readline(_LINE_LIMIT):
                if written < LOG_LIMIT_BYTES:
                    written += log.write(line)
                    if written >= LOG_LIMIT_BYTES:
                        log.write(b"\n[the log is full: what follows is not kept]\n")
                self._read(line.decode("utf-8", errors="replace").rstrip())

    def _read(self, line: str) -> None:
        if (notice := parse_notice(line)) is not None:
            with self._lock:
                self._notices.append(notice[:500])
        elif (values := parse_line(line)) is not None:
            # JSON and charts know no NaN; the trainer itself says in words that it diverged.
            finite = {name: value for name, value in values.items() if math.isfinite(value)}
            with self._lock:
                self._points.append(MetricPoint(seq=self._seq, at=datetime.now(UTC), values=finite))
                self._seq += 1
