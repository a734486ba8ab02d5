"""The logs of jobs in CloudWatch, read once and kept: text, metric reports and notices.

A job has a stream per machine, `<job>/algo-1-<time>`; one that was interrupted and started again has several. The token
of the last page stays the same until there is more, see
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from backend.adapters.sagemaker.errors import translating
from backend.adapters.sagemaker.session import Aws
from backend.digits.metric_lines import parse_line, parse_notice
from backend.domain.jobs import LogChunk, MetricPoint
from backend.errors import NotFoundError

GROUP: Final = "/aws/sagemaker/TrainingJobs"
LIMIT_BYTES: Final = 50_000_000
_EVENTS: Final = 10_000
_LINE_LOOKBACK: Final = 4096
_LATE: Final = timedelta(minutes=2)
"""How long after a job's end its last lines may still arrive."""


@dataclass
class JobLog:
    """What one job's log has said so far; `refresh` reads on from where it was."""

    job: str
    points: list[MetricPoint] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    last_line: str = ""
    _text: bytearray = field(default_factory=bytearray)
    _tokens: dict[str, str] = field(default_factory=dict)
    _reading: threading.Lock = field(default_factory=threading.Lock)
    """Held while AWS is asked, which may take long; `_lock` only while what it said is taken in."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _whole: bool = False

    def refresh(self, aws: Aws, ended_at: datetime | None = None) -> None:
        """Read what is new. A log whose job ended a while ago is read to its end once, and never asked for again."""
        with self._reading:
            if self._whole:
                return
            late = ended_at is not None and datetime.now(UTC) - ended_at > _LATE
            for stream in self._streams(aws):
                self._read(aws, stream)
            self._whole = late

    def chunk(self, offset: int, limit: int) -> LogChunk:
        """As `TrainingPlatform.read_log`."""
        with self._lock:
            size = len(self._text)
            start = max(0, size + offset) if offset < 0 else min(offset, size)
            raw = bytes(self._text[start : start + limit])
        cut = raw.rfind(b"\n", max(0, len(raw) - _LINE_LOOKBACK)) + 1
        if start + len(raw) < size and cut > 0:
            raw = raw[:cut]
        return LogChunk(text=raw.decode("utf-8", errors="replace"), next_offset=start + len(raw), size=size)

    def _streams(self, aws: Aws) -> list[str]:
        """The job's streams, the first machine's first; none before it has said anything."""
        pages = aws.logs.get_paginator("describe_log_streams")
        try:
            with translating(f"find the log of job '{self.job}'"):
                found = [
                    (stream.get("creationTime", 0), stream["logStreamName"])
                    for page in pages.paginate(logGroupName=GROUP, logStreamNamePrefix=f"{self.job}/")
                    for stream in page["logStreams"]
                ]
        except NotFoundError:
            return []
        return [name for _, name in sorted(found)]

    def _read(self, aws: Aws, stream: str) -> None:
        while True:
            token = self._tokens.get(stream)
            given = {"nextToken": token} if token else {}
            with translating(f"read the log of job '{self.job}'"):
                page = aws.logs.get_log_events(
                    logGroupName=GROUP,
                    logStreamName=stream,
                    startFromHead=True,
                    limit=_EVENTS,
                    **given,  # type: ignore[arg-type]
                )
            with self._lock:
                for event in page["events"]:
                    self._take(event["message"], datetime.fromtimestamp(event["timestamp"] / 1000, UTC))
            following = page["nextForwardToken"]
            self._tokens[stream] = following
            if following == token:
                return

    def _take(self, line: str, at: datetime) -> None:
        line = line.rstrip("\n")
        if len(self._text) < LIMIT_BYTES:
            self._text += f"{line}\n".encode()
            if len(self._text) >= LIMIT_BYTES:
                self._text += b"\n[the log is longer: what follows is in CloudWatch]\n"
        self.last_line = line.strip() or self.last_line
        if (notice := parse_notice(line)) is not None:
            self.notices.append(notice[:500])
        elif (values := parse_line(line)) is not None:
            # JSON and charts know no NaN; the trainer itself says in words that it diverged.
            finite = {name: value for name, value in values.items() if math.isfinite(value)}
            self.points.append(MetricPoint(seq=len(self.points), at=at, values=finite))


class JobLogs:
    """The logs that somebody looked at, the latest hundred."""

    def __init__(self, aws: Aws, keep: int = 100) -> None:
        self._aws = aws
        self._keep = keep
        self._logs: dict[str, JobLog] = {}
        self._lock = threading.Lock()

    def of(self, sagemaker_name: str, ended_at: datetime | None = None) -> JobLog:
        """The log, read up to now."""
        with self._lock:
            found = self._logs.pop(sagemaker_name, None) or JobLog(sagemaker_name)
            self._logs[sagemaker_name] = found
            while len(self._logs) > self._keep:
                del self._logs[next(iter(self._logs))]
        found.refresh(self._aws, ended_at)
        return found
