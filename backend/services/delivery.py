"""Deliveries: what the repository declares, brought to a stage or to an endpoint beside it, tried there, and told.

Continuous integration calls this, people may as well. The rules are those of a promotion: the stage's gates decide,
`expected` refuses a stale plan, and there is a record of everything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from backend.domain import gate_verdicts
from backend.domain.capabilities import Feature
from backend.domain.correlation import correlated
from backend.domain.delivery import EXPIRES, Delivered, Placement, delivery_id
from backend.domain.drift import Difference
from backend.domain.gates import Gate, GateName, GateResult, GateStatus, StagingLook, blocking
from backend.domain.identity import Actor
from backend.domain.model_config import ModelConfig
from backend.domain.promotion import Deployment, Outcome
from backend.domain.registry import Approval, ModelVersion
from backend.domain.serving import ServedModel, Stage
from backend.errors import (
    ArchiveRejectedError,
    DeploymentFailedError,
    DigitsError,
    GateFailedError,
    NotFoundError,
    RefusedError,
)
from backend.ports.archives import ArchiveSource
from backend.ports.clock import Clock
from backend.ports.evaluator import Say
from backend.ports.registry import ModelRegistry
from backend.ports.serving import ServingPlatform
from backend.ports.sites import Site, Sites
from backend.services import kept_looks
from backend.services.auditing import Auditor
from backend.services.evaluating import Evaluating
from backend.services.gates import Gates
from backend.services.promotion import Promotion
from backend.services.registration import Registration
from backend.services.staging_look import look_at_staging

LEAST_RIGHT: Final = 0.99
"""The share of known digits that an endpoint reads right in its smoke test, where prod's gates name no other."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to deliver where. `folder` is where the configuration's file is, `changes` what is known of its change."""

    config: ModelConfig
    folder: Path
    stage: Stage
    suffix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[Difference, ...] | None = None
    expected: str | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """A site with the services that deploy to it."""

    site: Site
    promotion: Promotion
    gates: Gates

    @property
    def serving(self) -> ServingPlatform:
        return self.site.serving


class Delivery:
    def __init__(
        self,
        *,
        sites: Sites,
        open_place: Callable[[Site], Place],
        archives: ArchiveSource,
        registry: ModelRegistry,
        registration: Registration,
        evaluating: Evaluating,
        auditor: Auditor,
        clock: Clock,
    ) -> None:
        self._sites = sites
        self._open = open_place
        self._archives = archives
        self._registry = registry
        self._registration = registration
        self._evaluating = evaluating
        self._auditor = auditor
        self._clock = clock

    def plan(self, order: Order) -> Delivered:
        """What delivering would change now, and what the stage's gates say, which may refuse; changes nothing."""
        delivered = self._begun(order)
        if delivered.skipped:
            return delivered
        try:
            version = self._known(order.config)
            place = self._place(order)
            plan = place.promotion.plan(order.stage, version.version)
            gates = () if plan.changes_nothing else place.gates.evaluate(plan)
            hosting = place.serving.describe(order.stage).hosting if plan.changes_nothing else ()
            error = _refused(version, order.stage, gates)
            return replace(delivered, version=version, plan=plan, hosting=hosting, gates=gates, error=error)
        except DigitsError as error:
            return replace(delivered, error=error)

    def served(self, order: Order) -> ServedModel | None:
        """What the order's endpoint serves now."""
        return self._place(order).serving.describe(order.stage).served

    def deliver(self, order: Order, *, actor: Actor, say: Say) -> Delivered:
        """Deploy what is declared, ask the endpoint about known digits, tell everything; never raises `DigitsError`.

        To staging, an archive that is not registered yet is registered and evaluated; prod serves only what is known.
        On staging, prod's gates are asked too: what they refuse would be refused after the merge. On prod, a version
        that serves and misreads the known digits is taken back at once.
        """
        delivered = self._begun(order)
        if delivered.skipped:
            return delivered
        with correlated():  # the deployment and what was asked of it afterwards belong together
            try:
                return self._deliver(order, delivered, actor, say)
            except GateFailedError as error:
                return replace(delivered, gates=error.gates, error=error, version=self._if_known(order.config))
            except DigitsError as error:
                return replace(delivered, error=error, version=self._if_known(order.config))

    def _deliver(self, order: Order, delivered: Delivered, actor: Actor, say: Say) -> Delivered:
        self._auditor.require(
            actor,
            Promotion.needed_role(order.stage),
            f"deliver to {order.stage.value}",
            action="deliver",
            subject=f"stage {order.stage.value}",
        )
        place = self._place(order)
        if order.stage is Stage.STAGING:
            version, trouble = self._evaluated(self._registered(order, actor), actor, say)
        else:
            version, trouble = self._known(order.config), ()
        say(f"Deploying version {version.version} to {delivered.endpoint}")
        deployment = place.promotion.promote(
            order.stage,
            version.version,
            actor=actor,
            expected=order.expected,
            deployment_id=delivery_id(self._placement(order), version.version),
        )
        delivered = replace(
            delivered,
            version=version,
            deployment=deployment,
            gates=deployment.gates,
            trouble=(*delivered.trouble, *trouble),
        )
        if not deployment.outcome.is_good:
            error = DeploymentFailedError(f"{deployment.id} is {deployment.outcome.value}: {deployment.error}")
            return replace(delivered, error=DeploymentFailedError(error.message, hint=deployment.hint))
        say(f"Asking {delivered.endpoint} about known digits")
        return self._tried(order, delivered, place, deployment, actor)

    def _tried(
        self, order: Order, delivered: Delivered, place: Place, deployment: Deployment, actor: Actor
    ) -> Delivered:
        """The smoke test, and what follows from it."""
        plan = place.promotion.plan(order.stage, deployment.version)
        look = look_at_staging(place.serving, plan.target, self._clock, stage=order.stage)
        kept_looks.keep(self._auditor, look, deployment, delivered.endpoint, actor=actor)
        delivered = replace(delivered, look=look)
        bad = _misread(place.gates.declared(Stage.PROD), look, delivered.endpoint)
        if order.stage is Stage.PROD:
            return self._taken_back(delivered, place, deployment, bad, actor) if bad else delivered
        ahead = place.gates.evaluate(place.promotion.plan(Stage.PROD, deployment.version), look=lambda _: look)
        delivered = replace(delivered, ahead=ahead)
        if bad:
            return replace(delivered, error=bad)
        return replace(delivered, error=_refused(plan.version, Stage.PROD, ahead))

    def _taken_back(
        self, delivered: Delivered, place: Place, deployment: Deployment, bad: DigitsError, actor: Actor
    ) -> Delivered:
        """Back to what served well before. Nothing is taken back that this delivery did not bring."""
        if deployment.outcome is not Outcome.SUCCEEDED:
            return replace(delivered, error=bad)
        try:
            back = place.promotion.roll_back(delivered.stage, actor=actor, expected=deployment.sha256)
        except RefusedError as error:  # nothing served before, or somebody else has changed it since
            return replace(delivered, error=DeploymentFailedError(f"{bad.message} {error.message}", hint=error.hint))
        now = f"version {back.version} serves again" if back.outcome.is_good else f"going back {back.outcome.value}"
        return replace(delivered, taken_back=back, error=DeploymentFailedError(f"{bad.message} Taken back: {now}."))

    def _begun(self, order: Order) -> Delivered:
        named = order.suffix and Feature.NAMED_ENDPOINTS not in self._sites.unsupported
        endpoint = f"{order.config.endpoint_name}-{order.suffix}-" if named else f"{order.config.endpoint_name}-"
        unnamed = self._sites.unsupported.get(Feature.NAMED_ENDPOINTS, "") if order.suffix else ""
        return Delivered(
            stage=order.stage,
            endpoint=f"{endpoint}{order.stage.value}",
            config=order.config,
            changes=order.changes,
            trouble=(unnamed,) if unnamed else (),
        )

    def _place(self, order: Order) -> Place:
        return self._open(self._sites.at(self._placement(order)))

    def _placement(self, order: Order) -> Placement:
        """A pull request's endpoint has one instance and says when it expires."""
        config, tags = order.config, dict(order.tags)
        if order.suffix:
            life = timedelta(hours=config.staging_ttl_hours)
            tags[EXPIRES] = (self._clock() + life).isoformat(timespec="seconds")
        return Placement(
            stage=order.stage,
            suffix=order.suffix,
            tags=tags,
            image=config.image,
            instance_type=config.instance_type,
            instances=1 if order.suffix else config.instance_count,
        )

    def _registered(self, order: Order, actor: Actor) -> ModelVersion:
        """The declared version; an archive that the registry does not know yet becomes one, and awaits its approval."""
        config = order.config
        if config.version is not None:
            return self._known(config)
        if config.sha256:
            with suppress(NotFoundError):
                return self._known(config)
        archive = self._archives.fetch(config.model_uri, order.folder)
        _require_digest(archive, config.sha256)
        return self._of_digest(_digest(archive)) or self._registration.register_archive(archive, actor=actor)

    def _known(self, config: ModelConfig) -> ModelVersion:
        """Raises `NotFoundError`, and `ArchiveRejectedError` when the version's bytes are not the declared ones."""
        if config.version is not None:
            version = self._registry.get(config.version)
            if config.sha256 and version.sha256 != config.sha256:
                raise ArchiveRejectedError(
                    f"Version {version.version} has SHA-256 {version.sha256[:12]}, declared is {config.sha256[:12]}.",
                    hint="Mend 'sha256' or 'model_uri' in the model configuration.",
                )
            return version
        found = self._of_digest(config.sha256) if config.sha256 else None
        if found is None:
            raise NotFoundError(
                f"No registered version has the archive '{config.model_uri}'"
                + (f" with SHA-256 {config.sha256[:12]}." if config.sha256 else ", whose SHA-256 is not declared."),
                hint="Deliver it to staging first: that registers it.",
            )
        return found

    def _if_known(self, config: ModelConfig) -> ModelVersion | None:
        with suppress(DigitsError):
            return self._known(config)
        return None

    def _of_digest(self, sha256: str) -> ModelVersion | None:
        """The newest version of these bytes that was approved, else the newest; None when there is none."""
        same = [version for version in self._registry.list_versions() if version.sha256 == sha256]
        approved = [version for version in same if version.approval is Approval.APPROVED]
        return next(iter([*approved, *same]), None)

    def _evaluated(self, version: ModelVersion, actor: Actor, say: Say) -> tuple[ModelVersion, tuple[str, ...]]:
        """The version after its archive was run over the test images, unless it was; what kept it from that."""
        if version.evaluation is not None and version.evaluation.measured_at is not None:
            return version, ()
        try:
            return self._evaluating.evaluate(version.version, actor=actor, say=say), ()
        except DigitsError as error:
            return version, (f"Version {version.version} could not be evaluated: {error.message}",)


def _digest(archive: Path) -> str:
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_digest(archive: Path, declared: str) -> None:
    observed = _digest(archive)
    if declared and observed != declared:
        raise ArchiveRejectedError(
            f"The archive has SHA-256 {observed[:12]}, declared is {declared[:12]}.",
            hint="Somebody wrote over it, or 'sha256' belongs to another archive.",
        )


def _misread(gates: Sequence[Gate], look: StagingLook, endpoint: str) -> DeploymentFailedError | None:
    """What is wrong with the answers; None when enough are right."""
    declared = next((gate for gate in gates if gate.name is GateName.PROBE), None)
    gate = declared or Gate(name=GateName.PROBE, limits={"at_least": LEAST_RIGHT})
    verdict = gate_verdicts.probe(gate, look.model, look.model, replace(look, endpoint=endpoint))
    if verdict.status is GateStatus.PASSED:
        return None
    return DeploymentFailedError(f"The smoke test failed: {verdict.reason}", hint=verdict.hint)


def _refused(version: ModelVersion, stage: Stage, gates: tuple[GateResult, ...]) -> GateFailedError | None:
    """What some of the gates have against it; None when none has."""
    standing = blocking(gates)
    if not standing:
        return None
    said = " ".join(f"{gate.name}: {gate.reason}" for gate in standing)
    return GateFailedError(
        f"Version {version.version} may not go to {stage.value}: {said}",
        hint="; ".join(dict.fromkeys(gate.hint for gate in standing if gate.hint)),
        gates=gates,
    )
