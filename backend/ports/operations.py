"""Long work that a page starts and watches, and that no page's end may kill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Operations(Protocol):
    def start(self, operation_id: str, verb: Sequence[str]) -> None:
        """Run `python -m backend <verb...>` detached from this process, at most once per `operation_id`.

        Returns at once. What the work does is in its own records; what it printed is in `output`.
        """
        ...

    def is_running(self, operation_id: str) -> bool:
        """Whether the operation's process lives; False for an id that was never started."""
        ...

    def answer(self, operation_id: str) -> str:
        """What the operation has written to standard output so far; empty when there is nothing."""
        ...

    def output(self, operation_id: str) -> str:
        """The last 4,000 characters that the operation wrote to standard error; empty when there is nothing."""
        ...
