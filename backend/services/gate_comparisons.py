"""The gates that compare a version with what its stage serves, image by image."""

from __future__ import annotations

from backend.domain import gate_verdicts as verdicts
from backend.domain.example_sets import NOW
from backend.domain.gates import Gate, GateName, GateResult
from backend.domain.predictions import DataKind, Predictions, flips
from backend.domain.promotion import DeploymentPlan
from backend.domain.registry import ModelVersion
from backend.errors import NotFoundError
from backend.ports.evaluations import EvaluationStore
from backend.services.example_sets import ExampleSetService

_KINDS = {GateName.NOT_WORSE: DataKind.TEST, GateName.FREEHAND: DataKind.FREEHAND}
_CALLED = {DataKind.TEST: "test images", DataKind.FREEHAND: "drawings", DataKind.HARD_EXAMPLES: "corrected drawings"}


class Comparisons:
    def __init__(self, plan: DeploymentPlan, evaluations: EvaluationStore, sets: ExampleSetService) -> None:
        self._plan = plan
        self._evaluations = evaluations
        self._sets = sets

    def said(self, gate: Gate) -> GateResult:
        """What `gate`, one of the four that compare, says; not applicable where there is nothing to compare with."""
        stage, serving, incumbent = self._plan.stage.value.capitalize(), self._plan.serving, self._plan.incumbent
        if serving is None:
            return verdicts.not_applicable(gate, f"{stage} serves nothing yet: there is nothing to compare with.")
        if serving.sha256 == self._plan.version.sha256:
            return verdicts.not_applicable(gate, f"{stage} serves these very bytes.")
        if incumbent is None:
            return verdicts.missing(
                gate,
                f"{stage} serves version {serving.version} ({serving.sha256[:12]}), unknown to the registry.",
                hint="Roll the stage back to a version that is registered.",
            )
        if gate.name is GateName.SAME_DATA:
            version = self._plan.version
            return verdicts.same_data(
                gate, version, self._newest_test(version), incumbent, self._newest_test(incumbent)
            )
        if gate.name is GateName.HARD_EXAMPLES:
            return self._hard_examples(gate, incumbent)
        found = self._both(gate, incumbent, _KINDS[gate.name], "")
        if isinstance(found, GateResult):
            return found
        mine, theirs = found
        return verdicts.not_worse(gate, flips(mine, theirs).pair, incumbent, _CALLED[mine.kind])

    def _hard_examples(self, gate: Gate, incumbent: ModelVersion) -> GateResult:
        """On the set that the gate names; else on the corrected drawings as they are now: with one more than when they
        were tried, they are others."""
        try:
            name, drawings = self._sets.drawings(gate.examples or NOW)
        except NotFoundError as error:
            return verdicts.missing(gate, f"The gate names a set that is not there. {error.message}", hint=error.hint)
        if not drawings.count:
            return verdicts.not_applicable(gate, "No drawing was corrected yet: there is nothing to compare on.")
        found = self._both(gate, incumbent, DataKind.HARD_EXAMPLES, drawings.sha256)
        if isinstance(found, GateResult):
            return found
        mine, theirs = found
        called = f"set {name if gate.examples else 'of now'}, {drawings.sha256[:12]}"
        return verdicts.hard_examples(gate, mine.right, theirs.right, mine.n, incumbent, called)

    def _both(
        self, gate: Gate, incumbent: ModelVersion, kind: DataKind, data_sha256: str
    ) -> tuple[Predictions, Predictions] | GateResult:
        """What both said of the same images: those named, or the newest that the incumbent was tried on."""
        version, data = self._plan.version, _CALLED[kind] + (f" {data_sha256[:12]}" if data_sha256 else "")
        theirs = self._evaluations.predictions(incumbent.sha256, kind, data_sha256)
        mine = self._evaluations.predictions(version.sha256, kind, theirs.data_sha256 if theirs else data_sha256)
        lacking = [who.version for who, what in ((version, mine), (incumbent, theirs)) if what is None]
        if mine is None or theirs is None:
            who = " and ".join(f"version {number}" for number in lacking)
            same = f" ({theirs.data_sha256[:12]}, on which version {incumbent.version} was)" if theirs else ""
            return verdicts.missing(
                gate,
                f"{who.capitalize()} {'was' if len(lacking) == 1 else 'were'} not tried on the {data}{same}.",
                hint="; ".join(verdicts.evaluating(number) for number in lacking),
            )
        return mine, theirs

    def _newest_test(self, version: ModelVersion) -> str:
        """The name of the newest test set that the version was tried on; empty for none."""
        tried = self._evaluations.evaluated(version.sha256)
        return next((one.data_sha256 for one in tried if one.kind is DataKind.TEST), "")
