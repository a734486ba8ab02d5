"""The stages' endpoints on SageMaker: one Triton container on one fleet of instances each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.adapters.sagemaker import endpoint_deployment
from backend.adapters.sagemaker.alarms import Alarms
from backend.adapters.sagemaker.artifacts import Artifacts
from backend.adapters.sagemaker.asking import ask
from backend.adapters.sagemaker.endpoint_deployment import Tools, WentBack
from backend.adapters.sagemaker.endpoint_limits import require_room
from backend.adapters.sagemaker.endpoint_metrics import measured
from backend.adapters.sagemaker.hosted import IN_SERVICE, HostedEndpoint, Look
from backend.adapters.sagemaker.hosting import Preparation
from backend.adapters.sagemaker.lifetimes import S3Lifetimes
from backend.adapters.sagemaker.names import NO_SUFFIXES, Suffixes, endpoint_name
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.prices import Prices
from backend.adapters.sagemaker.scaling import Fleet
from backend.adapters.sagemaker.served import (
    Configs,
    ServedConfig,
    Wanted,
    WantedStore,
    deployments_folder,
    drifted,
    hosted_otherwise,
)
from backend.adapters.sagemaker.serving_requests import Hosting, deployment_config
from backend.adapters.sagemaker.session import Aws
from backend.adapters.sagemaker.stage_lock import LEASE_S, StageLock
from backend.adapters.triton.client import require_images
from backend.domain.capabilities import Feature, Unsupported, require
from backend.domain.lifetimes import NO_LIMIT
from backend.domain.prediction import Answer
from backend.domain.promotion import STEPS
from backend.domain.serving import Endpoint, EndpointMetrics, EndpointStatus, ServedModel, Stage
from backend.domain.steps import StepStatus
from backend.errors import DigitsError, EndpointUnavailableError
from backend.ports.clock import Clock
from backend.ports.serving import Report, ServingPlatform

_POLL_S: Final = 10.0
_AROUND_S: Final = 600.0
"""What SageMaker may take beyond the longest deployment that it was allowed."""
_STATUS: Final = {
    "Creating": EndpointStatus.CREATING,
    "Updating": EndpointStatus.UPDATING,
    "SystemUpdating": EndpointStatus.UPDATING,
    "RollingBack": EndpointStatus.UPDATING,
    IN_SERVICE: EndpointStatus.IN_SERVICE,
}


def _utc_now() -> datetime:
    return datetime.now(UTC)


_UNSUPPORTED: Final[Unsupported] = {
    Feature.SUSPEND: "An endpoint of SageMaker does not run on this machine: it serves on when the machine stops, and "
    "costs until it is deleted. Delete it, or scale it down.",
    Feature.TAKE_DOWN: "No process of this product runs in AWS. `python -m backend guard` takes it down: let cron or "
    "GitHub Actions run that by the clock.",
}


class SageMakerEndpoints:
    """`ServingPlatform` on SageMaker. `suffixes` names endpoints beside the stages' own, as a pull request's.

    `tags` are put on an endpoint as it is created, beside those of the hosting. With `declared`, `hosting` is what is
    declared for the endpoint: one that runs otherwise says so, and a deployment of the very same model changes it;
    without, it counts for new configs.
    """

    def __init__(
        self,
        aws: Aws,
        bucket: Bucket,
        artifacts: Artifacts,
        hosting: Hosting,
        *,
        prices: Prices | None = None,
        suffixes: Suffixes = NO_SUFFIXES,
        tags: Mapping[str, str] | None = None,
        declared: bool = False,
        clock: Clock = _utc_now,
        poll_s: float = _POLL_S,
        lease_s: float = LEASE_S,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.unsupported = _UNSUPPORTED
        self._aws = aws
        self._artifacts = artifacts
        self._hosting = hosting
        self._prices = prices
        self._declared = declared
        self._clock = clock
        self._lock = StageLock(bucket, lease_s, suffixes=suffixes)
        self._configs = Configs(aws)
        self._alarms = Alarms(aws)
        own = {stage: suffixes.get(stage, "") for stage in Stage}
        names = {stage: endpoint_name(stage, own[stage]) for stage in Stage}
        self._hosted = {
            stage: HostedEndpoint(aws, name, tags={**hosting.tags, **(tags or {})}, poll_s=poll_s, pause=pause)
            for stage, name in names.items()
        }
        self._wanted = {stage: WantedStore(bucket, deployments_folder(stage, own[stage])) for stage in Stage}
        self._lifetimes = S3Lifetimes(bucket, suffixes=suffixes)

    def describe(self, stage: Stage) -> Endpoint:
        """Raises `AccessError`, `ThrottledError` or `PlatformError` when AWS cannot be asked: a plan must not be made
        of a guess.
        """
        called = self._hosted[stage].name
        look = self._hosted[stage].look()
        wanted = self._wanted[stage].read().in_force(look)
        if look is None:
            if wanted.model is None:
                status, detail = EndpointStatus.NOT_DEPLOYED, "Nothing is deployed."
                return Endpoint(stage=stage, called=called, status=status, detail=detail)
            detail = (
                f"SageMaker has no endpoint '{called}' any more: somebody deleted it. "
                f"`python -m backend endpoints restart --stage {stage.value}` makes it again."
            )
            return Endpoint(
                stage=stage, called=called, status=EndpointStatus.FAILED, wanted=wanted.model, detail=detail
            )
        config = self._configs.read(look.config) if look.answers else None
        served = config.model if config else None
        return Endpoint(
            stage=stage,
            called=called,
            status=_STATUS.get(look.status, EndpointStatus.FAILED),
            wanted=wanted.model,
            served=served,
            since=wanted.since if served == wanted.model else look.changed,
            detail=_explained(look, known=served is not None),
            drift=drifted(wanted, look, served),
            hosting=hosted_otherwise(config, self._hosting) if self._declared and config else (),
            hosted=config.hosted if config else {},
        )

    def hold(self, stage: Stage, holder: str) -> AbstractContextManager[None]:
        return self._lock.hold(stage, holder)

    def deploy(self, stage: Stage, target: ServedModel, archive: Path, report: Report) -> Endpoint:
        """As the port says, but that a process which dies within `switch` does not stop SageMaker: it ends the change
        by itself, well or by going back. Where it went back, what is returned serves what served before, and its
        `detail` says why.
        """
        tools = self._tools(stage)
        wanted = self._wanted[stage].read()
        rehosted = self._declared and wanted.config != tools.preparation.config_of(target)
        if (
            wanted.model == target
            and wanted.pending is None
            and not rehosted
            and _is_well(tools, wanted.config, target)
        ):
            for step in STEPS:
                report(step, StepStatus.COMPLETED, f"version {target.version} serves already")
            return self.describe(stage)
        lifetime = self._lifetimes.read(stage)
        if lifetime.taken_down_at or lifetime.is_due(self._clock()):
            self._lifetimes.keep(stage, NO_LIMIT)
        try:
            endpoint_deployment.deploy(tools, target, archive, report)
        except WentBack as back:
            seen = self.describe(stage)
            return replace(seen, detail=back.reason)
        return self.describe(stage)

    def predict(self, stage: Stage, images: npt.NDArray[np.float32]) -> Answer:
        """Triton's answer names its folder's version, 1, for all of ours; which of ours it is, the config says. While
        traffic moves from one to the other, the answer counts as the one that the endpoint still names.
        """
        require_images(images)
        _, config = self._serving(stage)
        reply = ask(self._aws, self._hosted[stage].name, images)
        rows = tuple(tuple(row) for row in reply.probabilities.tolist())
        return Answer(
            probabilities=rows, version=config.model.version if config.model else 0, latency_ms=reply.latency_ms
        )

    def measure(self, stage: Stage) -> EndpointMetrics:
        """From CloudWatch, which is a minute late. It knows nothing of Triton's batches and queue: those are None."""
        look, config = self._serving(stage)
        wanted = self._wanted[stage].read().in_force(look)
        now = self._clock()
        return measured(
            self._aws,
            self._hosted[stage].name,
            version=config.model.version if config.model else 0,
            since=(wanted.since if wanted.config == look.config else None) or look.changed,
            now=now,
            instance_type=config.instance_type,
        )

    def hourly_cost(self, stage: Stage) -> float | None:
        """For the instances that the stage has, or would begin with."""
        price = self._prices.hourly(self._hosting.instance_type) if self._prices else None
        if price is None:
            return None
        look = self._hosted[stage].look()
        return price * (look.desired if look and look.desired else self._hosting.instances)

    def delete(self, stage: Stage) -> None:
        hosted, wanted = self._hosted[stage], self._wanted[stage]
        known = wanted.read()
        if hosted.look() is None and known.model is None:
            self._preparation(stage).collect(())  # of a deployment that died before it had an endpoint
            return
        self._lock.require_held(stage)
        if known != Wanted(model=None):
            wanted.write(Wanted(model=None))
        self._lifetimes.keep(stage, NO_LIMIT)
        Fleet(self._aws, hosted.name).forget_autoscaling()
        hosted.delete(self._longest_s)
        self._preparation(stage).collect(())

    def resume(self, stage: Stage) -> None:
        """Make an endpoint again that somebody deleted, or that failed; SageMaker takes minutes to start it."""
        wanted, hosted = self._wanted[stage].read(), self._hosted[stage]
        if wanted.model is None:
            return
        look = hosted.look()
        if look is not None and look.status != "Failed":
            return
        if look is not None:
            hosted.delete(self._longest_s)
        hosted.create(self._preparation(stage).ensure(wanted.model))

    def suspend(self, stage: Stage) -> None:
        if self._wanted[stage].read().model is not None:
            require(Feature.SUSPEND, self.unsupported)

    @property
    def _longest_s(self) -> float:
        return self._hosting.longest_s + _AROUND_S

    def _serving(self, stage: Stage) -> tuple[Look, ServedConfig]:
        """What answers now. Raises `EndpointUnavailableError` when nothing does, or nothing of ours."""
        name = self._hosted[stage].name
        look = self._hosted[stage].look()
        if look is None:
            raise EndpointUnavailableError(f"'{name}' does not exist.", hint="Promote a version to it.")
        config = self._configs.read(look.config) if look.answers else None
        if config is None or config.model is None:
            raise EndpointUnavailableError(
                f"'{name}' does not answer: it is {look.status}. {_explained(look, known=not look.answers)}".strip()
            )
        return look, config

    def _has_declared_count(self, look: Look) -> bool:
        config = self._configs.read(look.config)
        return config is not None and config.instances == self._hosting.instances

    def _preparation(self, stage: Stage) -> Preparation:
        return Preparation(self._aws, self._artifacts, self._hosting, self._hosted[stage].name)

    def _tools(self, stage: Stage) -> Tools:
        hosted, hosting = self._hosted[stage], self._hosting
        return Tools(
            hosted=hosted,
            preparation=self._preparation(stage),
            configs=self._configs,
            wanted=self._wanted[stage],
            ask=lambda images: ask(self._aws, hosted.name, images, patient=True).probabilities,
            shift=lambda: deployment_config(hosting, self._alarms.existing(hosted.name)),
            at_once=deployment_config(hosting, ()),
            require_held=lambda: self._lock.require_held(stage),
            checked=lambda look: require_room(self._aws, hosting, look),
            why_back=lambda look: self._alarms.why(hosted.name, look),
            retains=lambda look: not self._declared or self._has_declared_count(look),
            longest_s=self._longest_s,
            clock=self._clock,
        )


def _is_well(tools: Tools, config: str, target: ServedModel) -> bool:
    try:
        endpoint_deployment.require_served(tools, config, target)
    except DigitsError:
        return False
    return True


def _explained(look: Look, *, known: bool) -> str:
    """A sentence for any state but a plain `InService`."""
    reason = f" {look.reason}" if look.reason else ""
    if look.status == IN_SERVICE:
        return "" if known else f"It serves '{look.config}', which this product did not make."
    sentences = {
        "Creating": "SageMaker starts its instances; that takes some minutes.",
        "Updating": f"SageMaker moves it to '{look.pending}'; what served before answers meanwhile.",
        "SystemUpdating": "SageMaker maintains it; it answers meanwhile.",
        "RollingBack": f"SageMaker goes back to '{look.config}'.{reason}",
        "UpdateRollbackFailed": f"An update failed, and so did the way back: old and new instances serve.{reason}",
        "Failed": f"SageMaker could not start it.{reason}",
        "Deleting": "It is being deleted.",
    }
    return sentences.get(look.status, f"SageMaker says {look.status}.{reason}")


def _conforms(endpoints: SageMakerEndpoints) -> ServingPlatform:
    return endpoints
