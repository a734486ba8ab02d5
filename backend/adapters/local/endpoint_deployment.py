"""One deployment to a stage of this machine: validate, load, warm, probe, switch, drain, verify.

The new version is first loaded beside the one that serves, under another name, and asked there. Only then is it loaded
under the served name; Triton goes on answering with the old version until the new one is ready, then lets it go. The
new version is what the runner keeps (`EndpointFolder.want`) from the last moment on: whatever happens before, the old
one is loaded again, by this process or, when it died, by the runner. The caller holds the load lock, so that the
stage's runner does not repair what is being changed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from backend.adapters.local.endpoint_folder import EndpointFolder, Wanted
from backend.adapters.local.endpoint_look import request_for
from backend.adapters.triton.archive import Archive, read_archive
from backend.adapters.triton.canary import canary_images, require_canaries
from backend.adapters.triton.client import TritonClient
from backend.adapters.triton.model_config import CANDIDATE
from backend.adapters.triton.onnx_model import require_servable
from backend.domain.serving import TRITON_MODEL, ServedModel
from backend.domain.steps import StepStatus
from backend.errors import ArchiveRejectedError, DeploymentFailedError, DigitsError, EndpointUnavailableError
from backend.ports.clock import Clock
from backend.ports.serving import Report

_WARM_REQUESTS: Final = 5
_DRAIN_S: Final = 8.0
"""A stub takes 2 s to 3 s to end."""

log = logging.getLogger("endpoint")


@contextmanager
def reported(report: Report, step: str) -> Iterator[list[str]]:
    """Report the block as a step; what the block appends to the list is the observation.

    A full disk or another error of the system inside becomes `DeploymentFailedError`.
    """
    report(step, StepStatus.IN_PROGRESS, "")
    observed: list[str] = []
    try:
        yield observed
    except DigitsError as error:
        report(step, StepStatus.FAILED, error.message)
        raise
    except OSError as error:
        failure = DeploymentFailedError(f"The step '{step}' failed: {error}.")
        report(step, StepStatus.FAILED, failure.message)
        raise failure from error
    report(step, StepStatus.COMPLETED, "; ".join(observed))


def validate(folder: EndpointFolder, target: ServedModel, path: Path, report: Report) -> Archive:
    """Read and check the archive; nothing is changed. Raises `ArchiveRejectedError`."""
    with reported(report, "validate") as observed:
        wanted = folder.wanted()
        if wanted and wanted.model.version == target.version and wanted.model.sha256 != target.sha256:
            raise ArchiveRejectedError(
                f"Version {target.version} serves here with SHA-256 {wanted.model.sha256}, "
                f"asked for was {target.sha256}.",
                hint="A version's bytes never change; register the archive as a new version.",
            )
        archive = read_archive(path, sha256=target.sha256)
        require_servable(archive.onnx)
        observed += [f"SHA-256 {archive.sha256[:12]}", f"model.onnx {len(archive.onnx) / 1e6:.2f} MB"]
    return archive


def load_and_switch(
    folder: EndpointFolder,
    archive: Archive,
    target: ServedModel,
    report: Report,
    *,
    start_server: Callable[[], TritonClient],
    clock: Clock,
) -> None:
    """Serve the archive as `target`, or leave the stage as it was.

    Raises `DeploymentFailedError`, or `EndpointUnavailableError` when no server can be started or it ends meanwhile.
    """
    previous = folder.wanted()
    with ExitStack() as at_the_end:
        with reported(report, "load") as observed:
            client = start_server()
            at_the_end.callback(_free_candidate, folder, client)
            folder.repository.install(archive, target.version)
            folder.repository.offer_candidate(archive, target.version)
            begun = time.monotonic()
            alone = replace(archive, config={**archive.config, "instance_group": [{"count": 1, "kind": "KIND_CPU"}]})
            client.load(CANDIDATE, request_for(_wanted(alone, target, clock), CANDIDATE))
            observed.append(f"version {target.version} loaded beside in {time.monotonic() - begun:.1f} s")
        with reported(report, "warm") as observed:
            observed.append(_warm(client))
        with reported(report, "probe") as observed:
            observed.append(_require_served(client, CANDIDATE, target))
        wanted = _wanted(archive, target, clock)
        with _undone_on_failure(folder, client):
            with reported(report, "switch") as observed:
                # By it the runner knows a deployment that died from somebody who loads past all deployments.
                folder.intend(target)
                begun = time.monotonic()
                client.load(TRITON_MODEL, request_for(wanted))
                observed.append(f"version {target.version} took over in {time.monotonic() - begun:.1f} s")
            with reported(report, "drain") as observed:
                client.unload(CANDIDATE)
                observed.append(_drained(client, target.version))
                folder.repository.remove_candidate()
            with reported(report, "verify") as observed:
                observed.append(_require_served(client, TRITON_MODEL, target))
                observed.append(f"version {target.version}, SHA-256 {target.sha256[:12]} at {client.url}")
                folder.want(wanted)
                folder.intend(None)
    folder.repository.keep_only({target.version} | ({previous.model.version} if previous else set()))


def is_well(client: TritonClient, target: ServedModel) -> bool:
    """Whether `target` serves and passes the examination."""
    try:
        _require_served(client, TRITON_MODEL, target)
    except (DeploymentFailedError, EndpointUnavailableError):
        return False
    return True


def _warm(client: TritonClient) -> str:
    """Ask the candidate a few times, so that its first executions are over; returns how long they took."""
    took = [client.infer(canary_images(), model=CANDIDATE).latency_ms for _ in range(_WARM_REQUESTS)]
    return f"{len(took)} requests of {len(canary_images())} images: first {took[0]:.1f} ms, last {took[-1]:.1f} ms"


def _drained(client: TritonClient, version: int) -> str:
    """Wait until Triton holds nothing of ours but `version`; returns what was seen go.

    What is slow to go is told and not waited for any longer: it takes no requests, whatever it still does.
    """
    begun = time.monotonic()
    went: set[str] = set()
    while True:
        left = {_held_name(name, number) for name, number in client.held() - {(TRITON_MODEL, version)}}
        waited = time.monotonic() - begun
        if not left:
            return f"{' and '.join(sorted(went)) or 'all else'} unloaded in {waited:.1f} s"
        if waited > _DRAIN_S:
            return f"{' and '.join(sorted(left))} still unloading after {waited:.0f} s"
        went |= left
        time.sleep(0.02)


@contextmanager
def _undone_on_failure(folder: EndpointFolder, client: TritonClient) -> Iterator[None]:
    """When the block fails, serve what is wanted; where that fails, too, the runner goes on trying."""
    try:
        yield
    except (DigitsError, OSError):
        try:
            wanted = folder.wanted()
            if wanted is None:
                client.unload(TRITON_MODEL)
            elif client.served() != wanted.model:
                client.load(TRITON_MODEL, request_for(wanted))
            folder.intend(None)
        except DigitsError as error:
            log.warning("what served before is left to the runner: %s", error.message)
        raise


def _free_candidate(folder: EndpointFolder, client: TritonClient) -> None:
    """Nothing where it was drained. Where unloading fails, the folder stays: the runner knows by it to do that."""
    if not folder.repository.has_candidate:
        return
    try:
        client.unload(CANDIDATE)
    except (DeploymentFailedError, EndpointUnavailableError) as error:
        log.warning("the candidate is left to the runner: %s", error.message)
        return
    folder.repository.remove_candidate()


def _require_served(client: TritonClient, model: str, target: ServedModel) -> str:
    """Version, digest and known digits must be right; returns what was observed."""
    served = client.served(model=model)
    if served != target:
        raise DeploymentFailedError(
            f"Triton serves {_name(served)} as '{model}' after loading, expected {_name(target)}."
        )
    reply = client.infer(canary_images(), model=model)
    if reply.version != target.version:
        raise DeploymentFailedError(f"Version {reply.version} answered as '{model}', expected {target.version}.")
    return require_canaries(reply.probabilities, who=f"Version {target.version}")


def _wanted(archive: Archive, target: ServedModel, clock: Clock) -> Wanted:
    return Wanted(model=target, onnx_sha256=archive.onnx_sha256, config=archive.config, since=clock())


def _name(model: ServedModel | None) -> str:
    return "nothing" if model is None else f"version {model.version} ({model.sha256[:12]})"


def _held_name(model: str, version: int) -> str:
    return f"version {version}" if model == TRITON_MODEL else "the candidate"
