"""Audit log, hard examples and evaluations for a dashboard, as `watched`: its lists are answered in the background."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from backend.adapters.sagemaker.background import JOB_SECONDS, LIST_SECONDS, Answers
from backend.domain.audit import AuditEvent, AuditFilter, AuditWords
from backend.domain.example_sets import ExampleSet
from backend.domain.operations import Operation
from backend.domain.prediction import HardExample
from backend.domain.predictions import DataKind, Evaluated, LabelledImages, Predictions
from backend.ports.audit import EVERYTHING, AuditLog
from backend.ports.evaluations import EvaluationStore
from backend.ports.example_sets import ExampleSets
from backend.ports.hard_examples import HardExamples
from backend.ports.operations import OperationStore

_EVERYTHING: Final = "all"
_PAGE: Final = 100
"""Events that a page shows at once, at most."""


class WatchedOperations:
    """`OperationStore` for a dashboard; a record that is asked for by its id is looked up while it waits."""

    def __init__(self, operations: OperationStore) -> None:
        self._operations = operations
        self._latest: Answers[Operation | None] = Answers(operations.latest, lambda _: JOB_SECONDS)

    def save(self, operation: Operation) -> None:
        self._operations.save(operation)
        self._latest.forget()

    def get(self, operation_id: str) -> Operation:
        return self._operations.get(operation_id)

    def latest(self, kind: str) -> Operation | None:
        return self._latest.get(kind)


class WatchedAudit:
    """`AuditLog` for a dashboard: what fits on a page is kept ready, for each filter; longer lists are read while they
    are waited for.
    """

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._pages: Answers[Sequence[AuditEvent]] = Answers(
            lambda page: audit.list_events(page[0], limit=page[1], offset=page[2]), lambda _: LIST_SECONDS
        )
        self._counts: Answers[int] = Answers(audit.count, lambda _: LIST_SECONDS)
        self._words: Answers[AuditWords] = Answers(lambda _: audit.words(), lambda _: LIST_SECONDS)

    def append(self, event: AuditEvent) -> None:
        self._audit.append(event)
        for answers in (self._pages, self._counts, self._words):
            answers.forget()

    def list_events(
        self, wanted: AuditFilter = EVERYTHING, *, limit: int = 1000, offset: int = 0
    ) -> Sequence[AuditEvent]:
        if limit <= _PAGE or wanted == EVERYTHING:
            return self._pages.get((wanted, limit, offset))
        return self._audit.list_events(wanted, limit=limit, offset=offset)

    def count(self, wanted: AuditFilter = EVERYTHING) -> int:
        return self._counts.get(wanted)

    def words(self) -> AuditWords:
        return self._words.get(_EVERYTHING)


class WatchedExamples:
    """`HardExamples` for a dashboard."""

    def __init__(self, examples: HardExamples) -> None:
        self._examples = examples
        self._lists: Answers[Sequence[HardExample]] = Answers(
            lambda _: examples.list_examples(), lambda _: LIST_SECONDS
        )

    def add(self, example: HardExample) -> None:
        self._examples.add(example)
        self._lists.forget()

    def remove(self, example_id: str) -> HardExample:
        removed = self._examples.remove(example_id)
        self._lists.forget()
        return removed

    def list_examples(self) -> Sequence[HardExample]:
        return self._lists.get(_EVERYTHING)


class WatchedExampleSets:
    """`ExampleSets` for a dashboard."""

    def __init__(self, sets: ExampleSets) -> None:
        self._sets = sets
        self._lists: Answers[Sequence[ExampleSet]] = Answers(lambda _: sets.list_sets(), lambda _: LIST_SECONDS)

    def keep(self, kept: ExampleSet, content: bytes) -> ExampleSet:
        kept = self._sets.keep(kept, content)
        self._lists.forget()
        return kept

    def list_sets(self) -> Sequence[ExampleSet]:
        return self._lists.get(_EVERYTHING)

    def content(self, sha256: str) -> bytes:
        return self._sets.content(sha256)


class WatchedEvaluations:
    """`EvaluationStore` for a dashboard; the images themselves are fetched while it waits."""

    def __init__(self, evaluations: EvaluationStore) -> None:
        self._evaluations = evaluations
        self._evaluated: Answers[Sequence[Evaluated]] = Answers(evaluations.evaluated, lambda _: LIST_SECONDS)
        self._predictions: Answers[Predictions | None] = Answers(self._ask, lambda _: LIST_SECONDS)

    def save(self, predictions: Predictions) -> None:
        self._evaluations.save(predictions)
        self._evaluated.forget()
        self._predictions.forget()

    def predictions(self, archive_sha256: str, kind: DataKind, data_sha256: str = "") -> Predictions | None:
        return self._predictions.get(f"{archive_sha256} {kind.value} {data_sha256}")

    def evaluated(self, archive_sha256: str) -> Sequence[Evaluated]:
        return self._evaluated.get(archive_sha256)

    def save_data(self, data: LabelledImages) -> None:
        self._evaluations.save_data(data)

    def data(self, data_sha256: str) -> LabelledImages:
        return self._evaluations.data(data_sha256)

    def _ask(self, question: str) -> Predictions | None:
        archive, kind, data = question.split(" ")
        return self._evaluations.predictions(archive, DataKind(kind), data)


def _conforms_operations(adapter: WatchedOperations) -> OperationStore:
    return adapter


def _conforms_audit(adapter: WatchedAudit) -> AuditLog:
    return adapter


def _conforms_examples(adapter: WatchedExamples) -> HardExamples:
    return adapter


def _conforms_evaluations(adapter: WatchedEvaluations) -> EvaluationStore:
    return adapter
