"""Running registered archives over images: what is known of a version afterwards was seen, not told."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.domain.evaluation import Evaluation, FreehandEvaluation
from backend.domain.example_sets import NOW
from backend.domain.identity import Actor, Role
from backend.domain.predictions import CLASSES, DataKind, LabelledImages, Measurement, Predictions, Tried
from backend.domain.registry import ModelVersion
from backend.domain.serving import Stage
from backend.errors import InvalidInputError, NotFoundError
from backend.ports.clock import Clock
from backend.ports.evaluations import EvaluationStore
from backend.ports.evaluator import ArchiveEvaluator, Say
from backend.ports.operations import Operations
from backend.ports.registry import ModelRegistry
from backend.ports.serving import ServingPlatform
from backend.ports.training import TrainingPlatform
from backend.services.auditing import Auditor
from backend.services.example_sets import ExampleSetService

EVALUATING_ROLE: Final = Role.OPERATOR
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_LEAST_PROBABILITY: Final = 1e-7
"""Keras' epsilon, as in training: the loss of a probability of zero stays finite."""


class Evaluating:
    def __init__(
        self,
        *,
        registry: ModelRegistry,
        training: TrainingPlatform,
        serving: ServingPlatform,
        sets: ExampleSetService,
        asked_by_gates: Callable[[], Sequence[str]],
        evaluator: ArchiveEvaluator,
        evaluations: EvaluationStore,
        operations: Operations,
        auditor: Auditor,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._training = training
        self._serving = serving
        self._sets = sets
        self._asked_by_gates = asked_by_gates
        self._evaluator = evaluator
        self._evaluations = evaluations
        self._operations = operations
        self._auditor = auditor
        self._clock = clock

    def evaluate(
        self, number: int, *, actor: Actor, say: Say, data: str = "", hard: Sequence[str] = ()
    ) -> ModelVersion:
        """Run the version's archive, keep what it said of every image, and return the version with what was measured.

        `data` names the test images: the SHA-256 of images that are kept, or a data set as `train --dataset` takes it.
        Without it they are those that the version was trained to be tested on; for an archive made elsewhere those
        that prod's version was run on. The held-out drawings, the labelled drawings of now and the sets of them that
        gates name are tried every time; `hard` names more sets. Takes some seconds: for processes of their own. Raises
        `PermissionDeniedError` below operator, `NotFoundError`, and as `ArchiveEvaluator.run`.
        """
        self._auditor.require(
            actor, EVALUATING_ROLE, "evaluate a model version", action="evaluate", subject=f"version {number}"
        )
        version = self._registry.get(number)
        with self._auditor.audited(actor, "evaluate", f"version {number}") as effect:
            if version.evaluation is not None:
                effect.before = _told(version.evaluation)
            measured = self._evaluator.run(
                self._registry.fetch_archive(version),
                sha256=version.sha256,
                test=self._test_data(version, data),
                hard=self._labelled(hard),
                say=say,
            )
            evaluation = self._keep(version, measured, self._clock())
            effect.after = _told(evaluation)
            return self._registry.record_evaluation(number, evaluation)

    def start(self, numbers: Sequence[int], *, actor: Actor, key: str, data: str = "") -> str:
        """Evaluate the versions in a process of its own and return the id of that operation; a `key` starts one once.

        Raises `PermissionDeniedError` below operator.
        """
        versions = f"version {', '.join(map(str, numbers))}"
        self._auditor.require(actor, EVALUATING_ROLE, "evaluate a model version", action="evaluate", subject=versions)
        operation_id = f"evaluate-{key[:12]}"
        chosen = ["--data", data] if data else []
        self._operations.start(operation_id, ["evaluate", *map(str, numbers), *chosen, "--json"])
        return operation_id

    def _test_data(self, version: ModelVersion, asked: str) -> str | LabelledImages:
        if asked:
            return self._evaluations.data(asked) if _SHA256.fullmatch(asked) else asked
        if version.evaluation is not None and (kept := self._kept(version.evaluation.test_sha256)):
            return kept
        if version.source_job:
            try:
                return str(self._training.describe(version.source_job).request.hyperparameters["dataset"])
            except NotFoundError:
                pass  # the job was removed; its model is as good as one made elsewhere
        return self._usual_data() or "auto"

    def _usual_data(self) -> LabelledImages | None:
        """What prod's version was run on, or staging's, or the newest that was run at all."""
        served = [current.sha256 for stage in (Stage.PROD, Stage.STAGING) if (current := self._current(stage))]
        for sha256 in [*served, *(version.sha256 for version in self._registry.list_versions())]:
            for one in self._evaluations.evaluated(sha256):
                if one.kind is DataKind.TEST and (kept := self._kept(one.data_sha256)):
                    return kept
        return None

    def _current(self, stage: Stage) -> ModelVersion | None:
        serving = self._serving.describe(stage).current
        return self._registry.get(serving.version) if serving else None

    def _kept(self, data_sha256: str) -> LabelledImages | None:
        try:
            return self._evaluations.data(data_sha256)
        except NotFoundError:
            return None

    def _labelled(self, asked: Sequence[str]) -> Sequence[LabelledImages]:
        """Those of now, those that gates name and those `asked` for, each once; what gates name may be missing."""
        found = [self._sets.drawings(one) for one in (NOW, *asked)]
        with suppress(InvalidInputError):  # gates that nobody can read stop promotions, and are told there
            for one in self._asked_by_gates():
                with suppress(NotFoundError):
                    found.append(self._sets.drawings(one))
        unique = {drawings.sha256: (name, drawings) for name, drawings in reversed(found) if drawings.count}
        return [drawings.images(name) for name, drawings in unique.values()]

    def _keep(self, version: ModelVersion, measured: Measurement, now: datetime) -> Evaluation:
        """Store images and predictions; returns the metrics of the test set and of the drawings."""
        found: dict[DataKind, Predictions] = {}
        for tried in measured.tried:
            self._evaluations.save_data(tried.data)
            found[tried.kind] = predictions = _predictions(version.sha256, tried, now)
            self._evaluations.save(predictions)
        test, drawn = found[DataKind.TEST], found[DataKind.FREEHAND]
        return Evaluation(
            accuracy=test.accuracy,
            loss=_loss(test),
            n=test.n,
            per_class_recall=test.recall,
            confusion=test.confusion,
            test_sha256=test.data_sha256,
            dataset=test.data_name,
            freehand=FreehandEvaluation(
                accuracy=drawn.accuracy, n=drawn.n, sha256=drawn.data_sha256, per_class_recall=drawn.recall
            ),
            performance=measured.performance,
            measured_at=now,
        )


def _predictions(archive_sha256: str, tried: Tried, now: datetime) -> Predictions:
    return Predictions(
        archive_sha256=archive_sha256,
        kind=tried.kind,
        data_name=tried.data.name,
        data_sha256=tried.data.sha256,
        at=now,
        labels=tried.data.labels,
        predicted=_rows(tried.probabilities).argmax(axis=1).astype(np.uint8).tobytes(),
        probabilities=tried.probabilities,
    )


def _loss(predictions: Predictions) -> float:
    """The mean cross-entropy in nats."""
    labels = np.frombuffer(predictions.labels, np.uint8)
    of_label = _rows(predictions.probabilities)[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(of_label, _LEAST_PROBABILITY, 1.0)).mean())


def _rows(probabilities: Sequence[float]) -> npt.NDArray[np.float32]:
    return np.asarray(probabilities, np.float32).reshape(-1, CLASSES)


def _told(evaluation: Evaluation) -> dict[str, object]:
    """How an audit event says it: a training's word about itself is told from what was seen."""
    return {
        "accuracy": evaluation.accuracy,
        "test_sha256": evaluation.test_sha256,
        "measured": evaluation.measured_at is not None,
    }
