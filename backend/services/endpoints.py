"""Looking after endpoints beyond what they serve: load them, start them again, delete them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from backend.domain.identity import Actor, Role
from backend.domain.loadtest import LOAD_TEST, LoadPlan, LoadResult, Reach, summarise, summary
from backend.domain.prediction_mix import Tally
from backend.domain.serving import Endpoint, EndpointStatus, Stage
from backend.errors import EndpointUnavailableError, InvalidInputError
from backend.ports.clock import Clock
from backend.ports.load import LoadGenerator, Progress
from backend.ports.serving import ServingPlatform
from backend.ports.upkeep import Tallies
from backend.services.auditing import Auditor
from backend.services.promotion import Promotion

LOADING_ROLE: Final = Role.OPERATOR
"""Who may load an endpoint or start it again. Deleting needs what promoting to the stage needs."""


class Endpoints:
    def __init__(
        self, serving: ServingPlatform, load: LoadGenerator, tallies: Tallies, auditor: Auditor, clock: Clock
    ) -> None:
        self._serving = serving
        self._tallies = tallies
        self._clock = clock
        self._load = load
        self._auditor = auditor

    @property
    def reach(self) -> Reach:
        """How hard the stages can be asked from here."""
        return self._load.reach

    def load_test(self, stage: Stage, plan: LoadPlan, *, actor: Actor, progress: Progress) -> LoadResult:
        """Ask the stage as hard as `plan` says and return what was found; lasts as long as the plan.

        The result is kept as the audit event of the test (`domain.loadtest.kept` reads it), and its failures count as
        failed requests of our clients; its answers are of known digits, and count in no mix.
        Raises `PermissionDeniedError` below operator, `InvalidInputError` for more connections than can be driven from
        here, and `EndpointUnavailableError` when the stage does not serve.
        """
        self._auditor.require(actor, LOADING_ROLE, "run a load test", action=LOAD_TEST, subject=f"stage {stage.value}")
        if plan.concurrency > self.reach.connections:
            raise InvalidInputError(
                f"The load test's concurrency is {plan.concurrency}, expected 1 to {self.reach.connections} here.",
                hint=self.reach.remark,
            )
        with self._auditor.audited(actor, LOAD_TEST, f"stage {stage.value}") as effect:
            endpoint = self._serving.describe(stage)
            if endpoint.status is not EndpointStatus.IN_SERVICE:
                raise EndpointUnavailableError(
                    f"'{stage.value}' cannot be load tested: it is {endpoint.status.value}. {endpoint.detail}".strip()
                )
            result = summarise(self._load.closed_loop(endpoint.address, plan, progress))
            if not result.versions and result.requests > result.failed and endpoint.served is not None:
                # Answers that do not say whose they are were given by what served when the test began.
                result = replace(result, versions=(endpoint.served.version,))
            effect.after = summary(plan, result)
            if result.failed:
                self._tallies.add(stage, Tally(at=self._clock(), version=0, failed=result.failed))
            return result

    def restart(self, stage: Stage, *, actor: Actor) -> None:
        """Let a stage that is down serve again what it should; returns at once.

        Raises `PermissionDeniedError` below operator, `SetupError` when this machine lacks what serving needs.
        """
        self._auditor.require(
            actor, LOADING_ROLE, f"restart {stage.value}", action="restart", subject=f"stage {stage.value}"
        )
        with self._auditor.audited(actor, "restart", f"stage {stage.value}"):
            self._serving.resume(stage)

    def suspend(self, stage: Stage, *, actor: Actor) -> None:
        """Stop what serves the stage on this machine; what it should serve stays, and `restart` serves it again.

        Nothing happens where nothing should serve. Raises `PermissionDeniedError` below operator, and `StageBusyError`
        during a deployment: it would lose its server midway.
        """
        with self._serving.hold(stage, f"{actor.name}, suspending it"):
            if self._serving.describe(stage).wanted is None:
                return
            self._auditor.require(
                actor, LOADING_ROLE, f"suspend {stage.value}", action="suspend", subject=f"stage {stage.value}"
            )
            with self._auditor.audited(actor, "suspend", f"stage {stage.value}"):
                self._serving.suspend(stage)

    def delete(self, stage: Stage, *, actor: Actor) -> Endpoint:
        """Stop serving the stage and return how it stands then; records and versions stay.

        Raises `PermissionDeniedError` for who may not promote to it, `StageBusyError` during a deployment.
        """
        self._auditor.require(
            actor,
            Promotion.needed_role(stage),
            f"delete {stage.value}",
            action="delete",
            subject=f"stage {stage.value}",
        )
        with self._auditor.audited(actor, "delete", f"stage {stage.value}") as effect:
            with self._serving.hold(stage, f"{actor.name}, deleting it"):
                current = self._serving.describe(stage).current
                self._serving.delete(stage)
            effect.before = {"version": current.version if current else None}
            effect.after = {"version": None}
        return self._serving.describe(stage)
