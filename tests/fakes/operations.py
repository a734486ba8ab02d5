"""Operations for tests of pages: recorded, not started."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext


class RecordedOperations:
    """`Operations` that start nothing: the test says whether the last one runs and what it has said."""

    def __init__(self) -> None:
        self.started: list[tuple[str, list[str]]] = []
        self.running = True
        self.said = ""
        self.told = ""

    def start(self, operation_id: str, verb: Sequence[str], **_: object) -> None:
        self.started.append((operation_id, list(verb)))

    def joined(self, operation_id: str) -> AbstractContextManager[None]:
        return nullcontext()

    def is_running(self, operation_id: str) -> bool:
        return self.running and operation_id in [started for started, _ in self.started]

    def answer(self, operation_id: str) -> str:
        return self.said

    def output(self, operation_id: str) -> str:
        return self.told
