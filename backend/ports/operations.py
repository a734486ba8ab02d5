"""Long work that a page starts and watches, and that no page's end may kill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from backend.domain.operations import Operation


class Operations(Protocol):
    """The processes."""

    def start(
        self, operation_id: str, verb: Sequence[str], *, attempt: int = 1, before: Callable[[], None] | None = None
    ) -> None:
        """Run `python -m backend <verb...>` detached from this process, at most once per id and attempt.

        Returns at once, also when the operation's process lives already. What the work does is in its own records;
        what it printed is in `answer` and `output`. `before` is called once it is certain that this call starts the
        attempt: from then on the operation reads as running, so a record written there is never taken for a dead one.
        """
        ...

    def joined(self, operation_id: str) -> AbstractContextManager[None]:
        """Within the block this process is the operation's, also when it was begun on the command line.

        Raises `WrongStateError` when another process works on it.
        """
        ...

    def is_running(self, operation_id: str) -> bool:
        """Whether the operation's process lives; False for an id that was never started."""
        ...

    def running(self) -> Sequence[str]:
        """The ids of all operations whose process lives, in order; empty when none does."""
        ...

    def answer(self, operation_id: str) -> str:
        """What the operation has written to standard output so far; empty when there is nothing."""
        ...

    def output(self, operation_id: str) -> str:
        """The last 4,000 characters that the operation wrote to standard error; empty when there is nothing."""
        ...


class OperationStore(Protocol):
    """Their records."""

    def save(self, operation: Operation) -> None:
        """Insert the record, or replace the one with the same id."""
        ...

    def get(self, operation_id: str) -> Operation:
        """Raises `NotFoundError`."""
        ...

    def latest(self, kind: str) -> Operation | None:
        """The newest operation of this kind; None when there is none."""
        ...
