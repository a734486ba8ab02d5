"""One deployment to an endpoint of SageMaker: validate, load, warm, probe, switch, drain, verify.

SageMaker starts the new fleet beside the old one and moves the traffic by itself (blue/green); whatever of it fails,
the old fleet answers. Before anything of that begins, the archive's own model is asked here, by ONNX Runtime, because
SageMaker's health check only tells that a model loads, not that it reads digits. A finished update proves nothing
either: one that failed ends `InService` too, with the old config. So what counts is what the endpoint is seen to serve.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backend.adapters.sagemaker.hosted import IN_SERVICE, HostedEndpoint, Look
from backend.adapters.sagemaker.hosting import Preparation
from backend.adapters.sagemaker.served import Configs, Pending, Wanted, WantedStore
from backend.adapters.triton.archive import Archive, read_archive
from backend.adapters.triton.canary import canary_images, require_canaries
from backend.adapters.triton.onnx_model import Rehearsal, require_servable
from backend.domain.serving import ServedModel
from backend.domain.steps import StepStatus
from backend.errors import ArchiveRejectedError, DeploymentFailedError, DigitsError
from backend.ports.clock import Clock
from backend.ports.serving import Report

_REHEARSALS: Final = 5

log = logging.getLogger("endpoint")

Ask = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
"""Asks the endpoint about images [N, 28, 28, 1]; probabilities [N, 10]."""


class WentBack(Exception):  # noqa: N818 - an outcome that the caller tells, not an error
    """SageMaker went back to the old config by itself; `reason` says what is known of why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What a deployment works with. `guards` names the alarms that exist, `shift` is the DeploymentConfig with them;
    `require_held` raises when the stage was lost to another holder; `checked` looks at limits and quotas and says what
    it saw; `retains` is whether the number of instances stays as it is; `longest_s` is how long SageMaker may take.
    """

    hosted: HostedEndpoint
    preparation: Preparation
    configs: Configs
    wanted: WantedStore
    ask: Ask
    shift: Callable[[], Mapping[str, Any]]
    at_once: Mapping[str, Any]
    require_held: Callable[[], None]
    checked: Callable[[Look | None], str]
    why_back: Callable[[Look], str]
    retains: Callable[[Look], bool]
    longest_s: float
    clock: Clock


def deploy(tools: Tools, target: ServedModel, path: Path, report: Report) -> None:
    """Serve `target`, or leave the endpoint as it was. Raises as `ServingPlatform.deploy`, and `WentBack`."""
    wanted = tools.wanted.read().in_force(tools.hosted.look())
    with _reported(report, "validate") as observed:
        archive = _validated(wanted, target, path)
        before = _settled(tools, observed)
        wanted = tools.wanted.read().in_force(before)
        observed += [f"SHA-256 {archive.sha256[:12]}", tools.checked(before)]
    with _reported(report, "load") as observed:
        tools.preparation.store(path, target)
        config = tools.preparation.ensure(target)
        observed.append(f"archive stored, config {config} ready")
    rehearsal = Rehearsal(archive.onnx)
    with _reported(report, "warm") as observed:
        observed.append(_rehearsed(rehearsal))
    with _reported(report, "probe") as observed:
        observed.append(require_canaries(rehearsal.ask(canary_images()), who=f"Version {target.version}"))
    after = _next_wanted(wanted, config, target, tools.clock())
    with _undone_on_failure(tools, before, wanted, config):
        with _reported(report, "switch") as observed:
            tools.require_held()
            tools.wanted.write(replace(wanted, pending=Pending(model=target, config=config)))
            observed.append(_switched(tools, before, config))
        with _reported(report, "drain") as observed:
            observed.append(_drained(tools))
        with _reported(report, "verify") as observed:
            observed.append(require_served(tools, config, target))
            tools.wanted.write(after)
    tools.preparation.collect({config, after.previous_config} - {""})


def require_served(tools: Tools, config: str, target: ServedModel) -> str:
    """The endpoint is `InService` with this very config, its model's data is under the write-once key with the
    target's SHA-256, and it reads the known digits; returns what was observed. Raises `DeploymentFailedError`.
    """
    look = tools.hosted.look()
    if look is None or look.status != IN_SERVICE or look.config != config:
        seen = f"{look.status} with '{look.config}'" if look else "gone"
        raise DeploymentFailedError(f"'{tools.hosted.name}' is {seen}, expected {IN_SERVICE} with '{config}'.")
    served = tools.configs.read(config, again=True)
    if served is None or served.model != target:
        data = served.model_data if served else "nothing that can be described"
        raise DeploymentFailedError(
            f"'{config}' serves {data}, expected version {target.version} with SHA-256 {target.sha256}."
        )
    read = require_canaries(tools.ask(canary_images()), who=f"'{tools.hosted.name}'")
    return f"{read}; version {target.version}, SHA-256 {target.sha256[:12]}"


def _validated(wanted: Wanted, target: ServedModel, path: Path) -> Archive:
    model = wanted.model
    if model and model.version == target.version and model.sha256 != target.sha256:
        raise ArchiveRejectedError(
            f"Version {target.version} serves here with SHA-256 {model.sha256}, asked for was {target.sha256}.",
            hint="A version's bytes never change; register the archive as a new version.",
        )
    archive = read_archive(path, sha256=target.sha256)
    require_servable(archive.onnx)
    return archive


def _settled(tools: Tools, observed: list[str]) -> Look | None:
    """The endpoint once nothing is under way: a change whose process died goes on without it."""
    begun = time.monotonic()
    look = tools.hosted.settle(tools.longest_s)
    waited = time.monotonic() - begun
    if waited > 1:
        observed.append(f"waited {waited:.0f} s for an earlier change")
    return look


def _rehearsed(rehearsal: Rehearsal) -> str:
    took = []
    for _ in range(_REHEARSALS):
        begun = time.perf_counter()
        rehearsal.ask(canary_images())
        took.append((time.perf_counter() - begun) * 1000)
    return f"{len(took)} runs of 10 images here: first {took[0]:.1f} ms, last {took[-1]:.1f} ms"


def _switched(tools: Tools, before: Look | None, config: str) -> str:
    """Create or update, whichever the look before said; returns what was observed. Raises `WentBack`."""
    begun = time.monotonic()
    if before is not None and before.status == IN_SERVICE:
        if before.config == config:
            return "the config serves already"
        tools.hosted.update(config, tools.shift(), retains=tools.retains(before))
    else:
        if before is not None:  # a failed endpoint takes no update, only its deletion
            tools.hosted.delete(tools.longest_s)
        tools.hosted.create(config)
    look = tools.hosted.settle(tools.longest_s)
    if look is None:
        raise DeploymentFailedError(
            f"'{tools.hosted.name}' was deleted while it was being changed.", hint="Deploy again to make it anew."
        )
    if look.status == IN_SERVICE and look.config == config:
        return f"{look.instances} of {look.desired} instances took over in {time.monotonic() - begun:.0f} s"
    reason = tools.why_back(look)
    if look.status == IN_SERVICE:
        raise WentBack(reason)
    raise DeploymentFailedError(
        f"'{tools.hosted.name}' is {look.status} after the change: {reason}",
        hint="See the endpoint's log in CloudWatch: /aws/sagemaker/Endpoints/" + tools.hosted.name,
    )


def _drained(tools: Tools) -> str:
    look = tools.hosted.look()
    if look is None or look.pending or look.instances != look.desired:
        seen = f"{look.instances} of {look.desired} instances" if look else "nothing"
        raise DeploymentFailedError(f"'{tools.hosted.name}' has {seen} after the change; expected the new fleet alone.")
    return f"the old fleet is gone; {look.instances} instance{'s' if look.instances != 1 else ''} of the new one"


def _next_wanted(before: Wanted, config: str, target: ServedModel, now: datetime) -> Wanted:
    previous = before.config if before.config != config else before.previous_config
    since = before.since if before.model == target and before.since else now
    return Wanted(model=target, config=config, previous_config=previous, since=since)


@contextmanager
def _undone_on_failure(tools: Tools, before: Look | None, wanted: Wanted, config: str) -> Iterator[None]:
    """When the block fails, serve what served before; where that fails too, the log says so and people must look."""
    try:
        yield
    except WentBack:
        tools.wanted.write(wanted)
        raise
    except (DigitsError, OSError):
        try:
            if tools.wanted.read().config != config:  # else it was verified: only what came after failed
                _undo(tools, before)
                tools.wanted.write(wanted)
        except DigitsError as left:
            log.warning("%s is left as it is: %s", tools.hosted.name, left.message)
        raise


def _undo(tools: Tools, before: Look | None) -> None:
    tools.require_held()
    now = tools.hosted.settle(tools.longest_s)
    if before is None or before.status != IN_SERVICE:
        tools.hosted.delete(tools.longest_s)
        tools.preparation.collect(())
    elif now is None:
        tools.hosted.create(before.config)
        tools.hosted.settle(tools.longest_s)
    elif now.config != before.config:
        tools.hosted.update(before.config, tools.at_once)
        tools.hosted.settle(tools.longest_s)


@contextmanager
def _reported(report: Report, step: str) -> Iterator[list[str]]:
    """Report the block as a step; what the block appends to the list is the observation."""
    report(step, StepStatus.IN_PROGRESS, "")
    observed: list[str] = []
    try:
        yield observed
    except (DigitsError, WentBack) as error:
        report(step, StepStatus.FAILED, error.message if isinstance(error, DigitsError) else error.reason)
        raise
    except OSError as error:
        failure = DeploymentFailedError(f"The step '{step}' failed: {error}.")
        report(step, StepStatus.FAILED, failure.message)
        raise failure from error
    report(step, StepStatus.COMPLETED, "; ".join(filter(None, observed))[:120])
