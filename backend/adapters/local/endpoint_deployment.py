"""One deployment to a stage of this machine: validate, load, verify, switch.

The new version is first loaded beside the one that serves, under another name, and asked there. Only then is it loaded
under the served name; Triton goes on answering with the old version until the new one is ready. The caller holds the
load lock, so that the stage's runner does not repair what is being changed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from backend.adapters.local.endpoint_folder import EndpointFolder, Wanted
from backend.adapters.triton.archive import Archive, read_archive
from backend.adapters.triton.canary import canary_images, require_canaries
from backend.adapters.triton.client import TritonClient
from backend.adapters.triton.model_config import CANDIDATE, load_request
from backend.adapters.triton.onnx_model import require_servable
from backend.domain.serving import TRITON_MODEL, ServedModel
from backend.domain.steps import StepStatus
from backend.errors import ArchiveRejectedError, DeploymentFailedError, DigitsError, EndpointUnavailableError
from backend.ports.clock import Clock
from backend.ports.serving import Report

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
            client.load(CANDIDATE, _request(_wanted(alone, target, clock), CANDIDATE))
            observed.append(f"version {target.version} loaded beside in {time.monotonic() - begun:.1f} s")
        with reported(report, "verify") as observed:
            observed.append(_require_served(client, CANDIDATE, target))
        with reported(report, "switch") as observed:
            begun = time.monotonic()
            _switch(folder, client, _wanted(archive, target, clock), previous)
            observed.append(f"version {target.version} serves, switched in {time.monotonic() - begun:.1f} s")
    folder.repository.keep_only({target.version} | ({previous.model.version} if previous else set()))


def is_well(client: TritonClient, target: ServedModel) -> bool:
    """Whether `target` serves and passes the examination."""
    try:
        _require_served(client, TRITON_MODEL, target)
    except (DeploymentFailedError, EndpointUnavailableError):
        return False
    return True


def _switch(folder: EndpointFolder, client: TritonClient, wanted: Wanted, previous: Wanted | None) -> None:
    """Load under the served name, look once more, and make it what the runner keeps; undone when any of it fails."""
    try:
        client.load(TRITON_MODEL, _request(wanted, TRITON_MODEL))
        _require_served(client, TRITON_MODEL, wanted.model)
        folder.want(wanted)
    except (DigitsError, OSError):
        _restore(client, previous)
        raise


def _restore(client: TritonClient, previous: Wanted | None) -> None:
    """Serve what served before. Where that fails, too, the runner goes on trying: its orders are unchanged."""
    try:
        if previous is None:
            client.unload(TRITON_MODEL)
        elif client.served() != previous.model:
            client.load(TRITON_MODEL, _request(previous, TRITON_MODEL))
    except (DeploymentFailedError, EndpointUnavailableError) as error:
        log.warning("what served before is left to the runner: %s", error.message)


def _free_candidate(folder: EndpointFolder, client: TritonClient) -> None:
    """Where unloading fails, the folder stays as the sign by which the runner knows to do it."""
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


def _request(wanted: Wanted, name: str) -> str:
    return load_request(
        wanted.config,
        name=name,
        model=wanted.model,
        onnx_sha256=wanted.onnx_sha256,
        generation=str(time.time_ns()),
    )


def _name(model: ServedModel | None) -> str:
    return "nothing" if model is None else f"version {model.version} ({model.sha256[:12]})"
