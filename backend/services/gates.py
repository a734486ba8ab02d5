"""Asking the gates of a stage: which evidence each needs, and from where; `domain.gate_verdicts` says what it means."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import assert_never

from backend.domain import gate_verdicts as verdicts
from backend.domain.gates import Gate, GateName, GateResult, StagingLook
from backend.domain.predictions import DataKind
from backend.domain.promotion import DeploymentPlan
from backend.domain.serving import ServedModel, Stage
from backend.errors import NotFoundError, StoreError
from backend.ports.clock import Clock
from backend.ports.deployments import DeploymentStore
from backend.ports.evaluations import EvaluationStore
from backend.ports.registry import ModelRegistry
from backend.ports.serving import ServingPlatform
from backend.services.example_sets import ExampleSetService
from backend.services.gate_comparisons import Comparisons
from backend.services.staging_look import look_at_staging

Declared = Callable[[], Mapping[Stage, Sequence[Gate]]]
"""The gates of every stage as they are declared at this moment; raises `InvalidInputError` where they are malformed."""
Look = Callable[[ServedModel], StagingLook]
"""Asks the staging endpoint about known digits; a page hands in one that remembers for a while."""

Recall = Callable[[ServedModel], StagingLook | None]
"""What a delivery kept of the version's known digits, on staging or beside it; None where none did."""


class Gates:
    def __init__(
        self,
        declared: Declared,
        registry: ModelRegistry,
        serving: ServingPlatform,
        deployments: DeploymentStore,
        evaluations: EvaluationStore,
        sets: ExampleSetService,
        clock: Clock,
        recall: Recall = lambda _: None,
    ) -> None:
        self._declared = declared
        self._registry = registry
        self._serving = serving
        self._deployments = deployments
        self._evaluations = evaluations
        self._sets = sets
        self._clock = clock
        self._recall = recall

    def declared(self, stage: Stage) -> Sequence[Gate]:
        """The stage's gates in their order. Raises `InvalidInputError` that names the line of a malformed file."""
        return self._declared()[stage]

    def example_sets(self) -> Sequence[str]:
        """The sets of labelled drawings that gates name. Raises as `declared`."""
        return sorted({gate.examples for gates in self._declared().values() for gate in gates if gate.examples})

    def look(self, target: ServedModel) -> StagingLook:
        """Ask staging about known digits now; takes a second."""
        return look_at_staging(self._serving, target, self._clock)

    def evaluate(self, plan: DeploymentPlan, look: Look | None = None) -> tuple[GateResult, ...]:
        """What every gate of the plan's stage says now, in their order. Nothing is changed.

        Staging is asked (`look`, by default anew) only where a gate wants it and the version serves there; where it
        does not, what a delivery kept of it counts. Raises `InvalidInputError` when the gates are malformed: nothing
        passes gates that nobody can read.
        """
        asking = _Asking(self, plan, look or self.look)
        return tuple(asking.said(gate) for gate in self.declared(plan.stage))


class _Asking:
    """One plan before its gates; what several of them need is looked up once."""

    def __init__(self, gates: Gates, plan: DeploymentPlan, look: Look) -> None:
        self._gates = gates
        self._plan = plan
        self._look_at = look
        self._comparisons = Comparisons(plan, gates._evaluations, gates._sets)

    def said(self, gate: Gate) -> GateResult:
        version, target = self._plan.version, self._plan.target
        match gate.name:
            case GateName.DIGEST:
                return self._digest()
            case GateName.APPROVED:
                return verdicts.approved(version)
            case GateName.RECALL_FLOOR:
                return verdicts.recall_floor(gate, version, self._recall())
            case GateName.SAME_DATA | GateName.NOT_WORSE | GateName.FREEHAND | GateName.HARD_EXAMPLES:
                return self._comparisons.said(gate)
            case GateName.STAGING_FIRST:
                return verdicts.staging_first(
                    version, self._gates._deployments.of_version(Stage.STAGING, version.version)
                )
            case GateName.LATENCY:
                return verdicts.latency(gate, target, self._on_staging, self._look)
            case GateName.PROBE:
                return verdicts.probe(gate, target, self._on_staging, self._look)
            case _:
                assert_never(gate.name)

    def _digest(self) -> GateResult:
        version = self._plan.version
        try:
            with self._gates._registry.fetch_archive(version).open("rb") as archive:
                return verdicts.digest(version, hashlib.file_digest(archive, "sha256").hexdigest())
        except (NotFoundError, StoreError, OSError) as error:
            return verdicts.unreadable(version, str(error))

    def _recall(self) -> Sequence[float] | None:
        """On the newest test set; what the training said of itself only where nobody has run the archive since."""
        version = self._plan.version
        run = self._gates._evaluations.predictions(version.sha256, DataKind.TEST)
        if run is not None:
            return [row[digit] / sum(row) if sum(row) else 1.0 for digit, row in enumerate(run.confusion)]
        return version.evaluation.per_class_recall if version.evaluation else None

    @cached_property
    def _on_staging(self) -> ServedModel | None:
        return self._gates._serving.describe(Stage.STAGING).served

    @cached_property
    def _look(self) -> StagingLook | None:
        """Of now while it serves on staging; else what was kept when it did: a pull request's endpoint goes with it."""
        target = self._plan.target
        return self._look_at(target) if self._on_staging == target else self._gates._recall(target)
