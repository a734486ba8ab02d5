"""What goes wrong, when a test wants it to: an error for the next calls of an operation, throttling, a rate limit."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class AwsFault(Exception):  # noqa: N818 - what AWS calls an error is the answer, not the exception
    """An error answer: raise it anywhere in a part."""

    code: str
    message: str
    status: int = 400


def validation(message: str) -> AwsFault:
    return AwsFault(code="ValidationException", message=message)


THROTTLED = AwsFault(code="ThrottlingException", message="Rate exceeded")
SLOW_DOWN = AwsFault(code="SlowDown", message="Please reduce your request rate.", status=503)
"""What S3 says instead."""
EXPIRED = AwsFault(code="ExpiredTokenException", message="The security token included in the request is expired")


@dataclass
class _Planned:
    fault: AwsFault
    times: int
    after: int


@dataclass
class Faults:
    """Operations are named as AWS does, `DescribeEndpoint`; those of S3 by method, `s3:PUT`; `*` is every operation."""

    _planned: dict[str, list[_Planned]] = field(default_factory=lambda: defaultdict(list))
    _limits: dict[str, float] = field(default_factory=dict)
    _answered: dict[str, float] = field(default_factory=dict)
    _each_once: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(self, operation: str, fault: AwsFault, *, times: int = 1, after: int = 0) -> None:
        """Answer the next `times` calls so (-1 is for ever), once `after` calls of it went well."""
        with self._lock:
            self._planned[operation].append(_Planned(fault, times, after))

    def throttle_first_attempts(self) -> None:
        """From now on the first attempt of every call is throttled: a client that does not try again gets nowhere."""
        with self._lock:
            self._each_once = True

    def limit(self, operation: str, per_second: float) -> None:
        """Throttle calls of the operation that come faster than this, as a bucket of one second does."""
        with self._lock:
            self._limits[operation] = per_second

    def clear(self) -> None:
        with self._lock:
            self._planned.clear()
            self._limits.clear()
            self._each_once = False

    def check(self, operation: str, attempt: int) -> AwsFault | None:
        """The fault that this call meets; called once per attempt, the first is 1."""
        with self._lock:
            if self._each_once and attempt == 1:
                return SLOW_DOWN if operation.startswith("s3:") else THROTTLED
            rate = self._limits.get(operation)
            if rate is not None:
                now = time.monotonic()
                full = self._answered.get(operation, now - 1.0)
                # The bucket holds one second's worth: `full` is when it would be empty.
                if full > now:
                    return THROTTLED
                self._answered[operation] = max(full, now - 1.0) + 1.0 / rate
            for name in (operation, "*"):
                for planned in self._planned[name]:
                    if planned.after > 0:
                        planned.after -= 1
                    elif planned.times:
                        planned.times -= 1
                        return planned.fault
        return None
