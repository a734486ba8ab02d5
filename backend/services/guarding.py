"""The guard: whether each stage serves what it should, since when not, and the two ways to put it right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backend.domain.audit import AuditEvent, AuditFilter
from backend.domain.drift import DRIFTED, told
from backend.domain.identity import Actor
from backend.domain.promotion import Deployment
from backend.domain.registry import Approval, ModelVersion
from backend.domain.serving import Endpoint, EndpointStatus, ServedModel, Stage
from backend.errors import NotFoundError, RefusedError, WrongStateError
from backend.ports.audit import AuditLog
from backend.ports.registry import ModelRegistry
from backend.ports.serving import ServingPlatform
from backend.services.auditing import Auditor
from backend.services.promotion import Promotion


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """One stage under guard.

    `wanted_by` is the deployment that left what is wanted, `served_by` the newest one that ever brought what answers
    instead; `noticed` is the event of the runner that saw the drift first. Each is None where there is none.
    """

    endpoint: Endpoint
    wanted_by: Deployment | None = None
    served_by: Deployment | None = None
    noticed: AuditEvent | None = None

    @property
    def is_well(self) -> bool:
        """It serves what it should, or nothing is wanted of it."""
        if self.endpoint.wanted is None:
            return True
        return self.endpoint.in_step and self.endpoint.status is EndpointStatus.IN_SERVICE


class Guard:
    def __init__(
        self,
        serving: ServingPlatform,
        registry: ModelRegistry,
        promotion: Promotion,
        audit: AuditLog,
        auditor: Auditor,
    ) -> None:
        self._serving = serving
        self._registry = registry
        self._promotion = promotion
        self._audit = audit
        self._auditor = auditor

    def look(self, stage: Stage) -> Guarded:
        """The stage as it is now; changes nothing."""
        endpoint = self._serving.describe(stage)
        if not endpoint.drift:
            return Guarded(endpoint=endpoint)
        history = self._promotion.history(stage)
        newest = self._audit.list_events(AuditFilter(actions=("drift",), subject=f"stage {stage.value}"), limit=1)
        return Guarded(
            endpoint=endpoint,
            wanted_by=_last_that_brought(endpoint.wanted, history),
            served_by=_last_that_brought(endpoint.served, history),
            noticed=newest[0] if newest and newest[0].outcome == DRIFTED else None,
        )

    def acceptable(self, endpoint: Endpoint) -> ModelVersion:
        """The registered version that answers instead of the wanted one, and so can be made the wanted one.

        Raises `WrongStateError` where there is none: nothing drifted, the model is the wanted one and only its
        configuration or its files differ, or what answers is not in the registry.
        """
        stage, served = endpoint.stage.value, endpoint.served
        if not endpoint.drift:
            raise WrongStateError(f"'{stage}' serves what it should: there is nothing to accept.")
        if served is not None and served == endpoint.wanted:
            raise WrongStateError(
                f"Version {served.version} is the wanted one; {told(endpoint.drift)}. That is not a version to accept.",
                hint="Restore it; or register an archive with that configuration and promote it.",
            )
        if served is not None:
            try:
                version = self._registry.get(served.version)
            except NotFoundError:
                version = None
            if version is not None and version.sha256 == served.sha256:
                return version
        raise WrongStateError(
            f"What answers on '{stage}' cannot be accepted: no registered version has its number and its bytes.",
            hint="Restore what should serve; or register the archive and promote it.",
        )

    def why_not_restore(self, stage: Stage, actor: Actor) -> str:
        """Why the actor cannot restore the stage; empty when they can."""
        return _refusal(lambda: self._promotion.require_restorer(stage, actor))

    def why_not_accept(self, endpoint: Endpoint, actor: Actor) -> str:
        """Why the actor cannot accept what the endpoint serves; empty when they can."""

        def ask() -> None:
            actor.require(self._promotion.needed_role(endpoint.stage), f"promote to {endpoint.stage.value}")
            version = self.acceptable(endpoint)
            if version.approval is not Approval.APPROVED:  # the other gates are asked when it comes to it
                raise WrongStateError(
                    f"Version {version.version} cannot be accepted: it is {version.approval.in_words}."
                )

        return _refusal(ask)

    def restore(
        self, stage: Stage, *, actor: Actor, expected: str | None = None, deployment_id: str = ""
    ) -> Deployment:
        """Make the stage serve again what its last deployment left; as `Promotion.roll_back`, but for its target."""
        return self._promotion.restore(stage, actor=actor, expected=expected, deployment_id=deployment_id)

    def accept(
        self,
        stage: Stage,
        *,
        actor: Actor,
        expected: str | None = None,
        deployment_id: str = "",
        override: str | None = None,
    ) -> Deployment:
        """Make what answers the wanted one, by promoting it: every gate that a promotion passes is asked here too.

        Raises `WrongStateError` (see `acceptable`), and as `Promotion.promote`.
        """
        with self._auditor.audited(actor, "accept", f"stage {stage.value}") as effect:
            actor.require(self._promotion.needed_role(stage), f"promote to {stage.value}")
            endpoint = self._serving.describe(stage)
            version = self.acceptable(endpoint)
            effect.before = {"version": endpoint.wanted.version if endpoint.wanted else None}
            deployment = self._promotion.promote(
                stage,
                version.version,
                actor=actor,
                expected=expected or version.sha256,
                deployment_id=deployment_id,
                override=override,
            )
            effect.after = {"version": version.version, "deployment": deployment.id}
            effect.outcome = deployment.outcome.value
        return deployment


def _last_that_brought(model: ServedModel | None, history: Sequence[Deployment]) -> Deployment | None:
    """`history` is newest first."""
    return next(
        (
            deployment
            for deployment in history
            if deployment.outcome.is_good and ServedModel(version=deployment.version, sha256=deployment.sha256) == model
        ),
        None,
    )


def _refusal(ask: Callable[[], object]) -> str:
    try:
        ask()
    except RefusedError as error:
        return error.message
    return ""
