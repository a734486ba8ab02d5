"""Changing what a stage serves: plan, apply, verify, and a record of it whatever happens."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from backend.domain.correlation import current
from backend.domain.gates import GateResult, Override, blocking, require_reason
from backend.domain.identity import Actor, Role
from backend.domain.promotion import (
    STEPS,
    Deployment,
    DeploymentKind,
    DeploymentPlan,
    Outcome,
    rollback_target,
    usual_duration,
)
from backend.domain.registry import ModelVersion
from backend.domain.serving import EndpointStatus, ServedModel, Stage
from backend.domain.steps import Step, cut_off
from backend.errors import (
    DeploymentFailedError,
    DigitsError,
    GateFailedError,
    NotFoundError,
    StageBusyError,
    StalePlanError,
    WrongStateError,
)
from backend.ports.clock import Clock
from backend.ports.deployments import DeploymentStore
from backend.ports.origin import OriginOf
from backend.ports.registry import ModelRegistry
from backend.ports.serving import ServingPlatform
from backend.services.auditing import Auditor, Effect
from backend.services.deployment_record import DeploymentRecord
from backend.services.gates import Gates
from backend.services.probing import ProbedChanges

NOTHING = "none"
"""`expected` for a stage that must serve nothing yet."""
_NEEDED = {Stage.STAGING: Role.OPERATOR, Stage.PROD: Role.APPROVER}
OVERRIDING_ROLE = Role.APPROVER


def new_deployment_id(stage: Stage, version: int) -> str:
    """An id that a page can know before the deployment begins."""
    return f"{stage.value}-v{version}-{secrets.token_hex(4)}"


class Promotion:
    def __init__(
        self,
        registry: ModelRegistry,
        serving: ServingPlatform,
        deployments: DeploymentStore,
        gates: Gates,
        auditor: Auditor,
        clock: Clock,
        changes: ProbedChanges,
        origin: OriginOf,
    ) -> None:
        self._registry = registry
        self._serving = serving
        self._deployments = deployments
        self._gates = gates
        self._auditor = auditor
        self._clock = clock
        self._changes = changes
        self._origin = origin

    def plan(self, stage: Stage, number: int) -> DeploymentPlan:
        """What promoting the version would change now. Raises `NotFoundError`."""
        serving, history = self._serving.describe(stage).current, self._deployments.history(stage)
        target = self._registry.get(number)
        served = ServedModel(version=target.version, sha256=target.sha256)
        return DeploymentPlan(
            stage=stage,
            version=target,
            serving=serving,
            incumbent=None if serving is None else self._known(serving),
            usually=usual_duration(history),
            rollback_to=rollback_target(history, serving) if serving == served else serving,
            hourly_cost=self._serving.hourly_cost(stage),
        )

    def _known(self, serving: ServedModel) -> ModelVersion | None:
        """The version that serves; None when the registry has none of that number and digest."""
        try:
            version = self._registry.get(serving.version)
        except NotFoundError:
            return None
        return version if version.sha256 == serving.sha256 else None

    @staticmethod
    def needed_role(stage: Stage) -> Role:
        """Who may change what the stage serves."""
        return _NEEDED[stage]

    def promote(
        self,
        stage: Stage,
        number: int,
        *,
        actor: Actor,
        expected: str | None = None,
        deployment_id: str = "",
        override: str | None = None,
    ) -> Deployment:
        """Make the stage serve the version and return the finished record, good or bad.

        `expected` is the SHA-256 (or its first characters, at least 8) of what must be served now, `NOTHING` for
        nothing, None for anything. The stage's gates are asked here, while nobody else can change it, whatever a page
        has shown before; one that does not pass refuses, unless an approver says why not in `override`. Raises what
        refuses it before it began (`PermissionDeniedError`, `GateFailedError`, `StalePlanError`, `StageBusyError`,
        `NotFoundError`, `InvalidInputError` for a reason that is too short); what fails once it has begun is in the
        record's outcome and error. Where the version serves already, no gate is asked and nothing changes.
        """
        deployment_id = deployment_id or new_deployment_id(stage, number)
        with self._auditor.audited(actor, "promote", f"stage {stage.value}") as effect:
            actor.require(_NEEDED[stage], f"promote to {stage.value}")
            if override is not None:
                actor.require(OVERRIDING_ROLE, "override a gate")
                override = require_reason(override)
            return self._change(stage, number, DeploymentKind.PROMOTE, actor, expected, deployment_id, effect, override)

    def rollback_plan(self, stage: Stage) -> DeploymentPlan:
        """What a rollback would change now. Raises `WrongStateError` when nothing served well before."""
        target = rollback_target(self._deployments.history(stage), self._serving.describe(stage).current)
        if target is None:
            raise WrongStateError(
                f"'{stage.value}' cannot be rolled back: nothing served well before what serves now.",
                hint="Promote another version.",
            )
        return self.plan(stage, target.version)

    def roll_back(
        self, stage: Stage, *, actor: Actor, expected: str | None = None, deployment_id: str = ""
    ) -> Deployment:
        """Make the stage serve again what served well before; as `promote`, but asks no gate.

        Without `expected`, what serves now is expected to serve still when its turn comes.
        """
        with self._auditor.audited(actor, "rollback", f"stage {stage.value}") as effect:
            actor.require(_NEEDED[stage], f"roll back {stage.value}")
            plan = self.rollback_plan(stage)
            # Two people who roll back the same bad version at once mean one step back, not two.
            expected = expected or (plan.serving.sha256 if plan.serving else NOTHING)
            deployment_id = deployment_id or new_deployment_id(stage, plan.version.version)
            return self._change(stage, None, DeploymentKind.ROLLBACK, actor, expected, deployment_id, effect)

    @staticmethod
    def require_restorer(stage: Stage, actor: Actor) -> None:
        """Restoring brings nothing new: whoever may start a stage again may do it. Raises `PermissionDeniedError`."""
        actor.require(Role.OPERATOR, f"restore {stage.value}")

    def restore(
        self, stage: Stage, *, actor: Actor, expected: str | None = None, deployment_id: str = ""
    ) -> Deployment:
        """Make the stage serve again what it should, after a drift; as `roll_back`, but its target is what is wanted.

        Raises `WrongStateError` when nothing is wanted. Where all is as it should be, the outcome is `Unchanged`.
        """
        with self._auditor.audited(actor, "restore", f"stage {stage.value}") as effect:
            self.require_restorer(stage, actor)
            wanted = self._serving.describe(stage).wanted
            if wanted is None:
                raise WrongStateError(f"'{stage.value}' cannot be restored: nothing should serve there.")
            deployment_id = deployment_id or new_deployment_id(stage, wanted.version)
            return self._change(stage, wanted.version, DeploymentKind.RESTORE, actor, expected, deployment_id, effect)

    def _change(
        self,
        stage: Stage,
        number: int | None,
        kind: DeploymentKind,
        actor: Actor,
        expected: str | None,
        deployment_id: str,
        effect: Effect,
        override: str | None = None,
    ) -> Deployment:
        """`number` None is what a rollback goes to."""
        with self._serving.hold(stage, f"{actor.name}, deployment {deployment_id}"):
            # Planned under the hold: nobody can change the stage between this look and the switch.
            plan = self.rollback_plan(stage) if number is None else self.plan(stage, number)
            _require_expected(plan, expected)
            self._require_new(deployment_id)
            effect.before = {"version": plan.serving.version if plan.serving else None}
            asked: tuple[GateResult, ...] = ()
            overridden: Override | None = None
            if kind is DeploymentKind.PROMOTE and not self._serves_already(plan):
                asked, overridden = self._pass_gates(plan, actor, override, effect)
            deployment = self._apply(plan, kind, actor, deployment_id, asked, overridden)
        effect.after = {"version": plan.version.version, "deployment": deployment.id}
        if overridden is not None:
            effect.after = {**effect.after, "override": overridden.reason, "overridden": list(overridden.gates)}
        effect.outcome = deployment.outcome.value
        return deployment

    def _serves_already(self, plan: DeploymentPlan) -> bool:
        now = self._serving.describe(plan.stage)
        same = plan.changes_nothing and now.in_step and not now.hosting
        return same and now.status is EndpointStatus.IN_SERVICE

    def _pass_gates(
        self, plan: DeploymentPlan, actor: Actor, reason: str | None, effect: Effect
    ) -> tuple[tuple[GateResult, ...], Override | None]:
        """What the gates say, and by whose word those that do not pass are passed. Raises `GateFailedError`."""
        asked = self._gates.evaluate(plan)
        standing = blocking(asked)
        if not standing:
            return asked, None
        if reason is None or not all(gate.overridable for gate in standing):
            effect.after = {"version": plan.version.version, "gates": {gate.name: gate.status.value for gate in asked}}
            raise _refused(plan, asked)
        return asked, Override(by=actor.name, reason=reason, gates=tuple(gate.name for gate in standing))

    def _require_new(self, deployment_id: str) -> None:
        try:
            known = self._deployments.get(deployment_id)
        except NotFoundError:
            return
        raise WrongStateError(
            f"Deployment '{deployment_id}' exists: it is {known.outcome.value}.",
            hint="Give the new one an id of its own.",
        )

    def _apply(
        self,
        plan: DeploymentPlan,
        kind: DeploymentKind,
        actor: Actor,
        deployment_id: str,
        asked: tuple[GateResult, ...],
        override: Override | None,
    ) -> Deployment:
        record = DeploymentRecord(
            Deployment(
                id=deployment_id,
                kind=kind,
                stage=plan.stage,
                version=plan.version.version,
                sha256=plan.version.sha256,
                previous=plan.serving,
                requested_by=actor.name,
                started_at=self._clock(),
                steps=tuple(Step(name=name) for name in STEPS),
                gates=asked,
                override=override,
                origin=self._origin(),
                correlation=current(),
            ),
            self._deployments,
            self._clock,
        )
        if self._serves_already(plan):
            return record.finish(Outcome.UNCHANGED)
        try:
            archive = self._registry.fetch_archive(plan.version)
            with self._changes.watched(plan.stage, record.report, record.saw) as report:
                endpoint = self._serving.deploy(plan.stage, plan.target, archive, report)
        except DigitsError as error:
            return record.finish(Outcome.FAILED, error)
        if endpoint.served == plan.target:
            return record.finish(Outcome.SUCCEEDED)
        seen = f"version {endpoint.served.version}" if endpoint.served else "serving nothing"
        silent = DeploymentFailedError(
            f"'{plan.stage.value}' went back to {seen} by itself, asked for was version {plan.target.version}.",
            hint=endpoint.detail,
        )
        return record.finish(Outcome.ROLLED_BACK, silent)

    def history(self, stage: Stage | None = None) -> Sequence[Deployment]:
        """Deployments, newest first; one whose process died is told so here."""
        return [self.settle(deployment) for deployment in self._deployments.history(stage)]

    def settle(self, deployment: Deployment) -> Deployment:
        """An `InProgress` record is true only while its process holds the stage: else it is `Interrupted`."""
        if deployment.outcome is not Outcome.IN_PROGRESS:
            return deployment
        try:
            with self._serving.hold(deployment.stage, "a look at an unfinished deployment"):
                current = self._deployments.get(deployment.id)
                if current.outcome is Outcome.IN_PROGRESS:
                    current = self._interrupted(current)
                    self._deployments.save(current)
                return current
        except StageBusyError:
            return deployment

    def _interrupted(self, deployment: Deployment) -> Deployment:
        now = self._clock()
        kept = self._serving.describe(deployment.stage).wanted
        if kept == ServedModel(version=deployment.version, sha256=deployment.sha256):
            hint = f"Version {deployment.version} was switched to before. Promote it again to confirm that it serves."
        else:
            hint = "The version that served before still serves. Promote again to finish."
        return replace(
            deployment,
            outcome=Outcome.INTERRUPTED,
            steps=cut_off(deployment.steps, now),
            ended_at=now,
            error="The deploying process died before it was done.",
            hint=hint if deployment.previous or kept else "Nothing serves yet. Promote again to finish.",
        )


def _refused(plan: DeploymentPlan, asked: tuple[GateResult, ...]) -> GateFailedError:
    standing = blocking(asked)
    said = " ".join(f"{gate.name}: {gate.reason}" for gate in standing)
    what = "1 gate does" if len(standing) == 1 else f"{len(standing)} gates do"
    hints = "; ".join(dict.fromkeys(gate.hint for gate in standing if gate.hint))
    if all(gate.overridable for gate in standing):
        hints += ("; or, " if hints else "") + "for an approver, --override REASON"
    return GateFailedError(
        f"Version {plan.version.version} may not serve on {plan.stage.value}: {what} not pass. {said}",
        hint=hints,
        gates=asked,
    )


def _require_expected(plan: DeploymentPlan, expected: str | None) -> None:
    serving = plan.serving.sha256 if plan.serving else NOTHING
    if expected is None or expected == serving or (len(expected) >= 8 and serving.startswith(expected)):
        return
    raise StalePlanError(
        f"'{plan.stage.value}' serves {serving[:12]}; expected {expected[:12]}: it changed since the plan was made.",
        hint="Look at what is served now and plan again.",
    )
