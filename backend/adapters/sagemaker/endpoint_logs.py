"""What the containers of an endpoint wrote, from CloudWatch: the last lines of each instance, by time.

A log group per endpoint, `/aws/sagemaker/Endpoints/<name>`, with a stream per instance. It is not read from its
beginning: an endpoint may have written for months.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from backend.adapters.sagemaker.errors import translating
from backend.adapters.sagemaker.names import endpoint_name
from backend.adapters.sagemaker.session import Aws
from backend.domain.jobs import LogChunk
from backend.domain.serving import Stage
from backend.errors import NotFoundError
from backend.ports.upkeep import ServerLogs

_SOURCE: Final = "Triton"
_STREAMS: Final = 5
_LINES: Final = 2_000
_LINE_LOOKBACK: Final = 4096


class CloudWatchServerLogs:
    """`ServerLogs` of the account: the last 2,000 lines of each of the five instances that wrote last."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._groups = {stage: f"/aws/sagemaker/Endpoints/{endpoint_name(stage)}" for stage in Stage}
        self._last: dict[Stage, bytes] = {}

    def sources(self, stage: Stage) -> Sequence[str]:
        return (_SOURCE,)

    def read(self, stage: Stage, source: str, offset: int = 0, limit: int = 262_144) -> LogChunk:
        """A read from an offset goes on in what the last read of a beginning or an end found."""
        if source != _SOURCE:
            raise NotFoundError(f"No log '{source}'.", hint=f"There is {_SOURCE}.")
        if offset <= 0 or stage not in self._last:
            self._last[stage] = self._newest(self._groups[stage])
        text = self._last[stage]
        start = max(0, len(text) + offset) if offset < 0 else min(offset, len(text))
        raw = text[start : start + limit]
        cut = raw.rfind(b"\n", max(0, len(raw) - _LINE_LOOKBACK)) + 1
        if start + len(raw) < len(text) and cut > 0:
            raw = raw[:cut]
        return LogChunk(text=raw.decode("utf-8", errors="replace"), next_offset=start + len(raw), size=len(text))

    def _newest(self, group: str) -> bytes:
        lines: list[tuple[int, str, str]] = []
        try:
            with translating(f"read the log '{group}'"):
                streams = self._aws.logs.describe_log_streams(
                    logGroupName=group, orderBy="LastEventTime", descending=True, limit=_STREAMS
                )["logStreams"]
                for stream in streams:
                    name = stream["logStreamName"]
                    page = self._aws.logs.get_log_events(
                        logGroupName=group, logStreamName=name, startFromHead=False, limit=_LINES
                    )
                    instance = name.rpartition("/")[2]
                    lines += [(event["timestamp"], instance, event["message"]) for event in page["events"]]
        except NotFoundError:
            return b""  # it has not written yet
        told = [
            f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S} {instance} {message.rstrip()}"
            for at, instance, message in sorted(lines, key=lambda line: line[0])
        ]
        return "".join(f"{line}\n" for line in told).encode()


def _conforms(adapter: CloudWatchServerLogs) -> ServerLogs:
    return adapter
