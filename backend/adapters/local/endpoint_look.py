"""One look at what a stage's Triton serves, held against what it should."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from backend.adapters.local.endpoint_folder import EndpointFolder, Wanted
from backend.adapters.triton.client import ANSWER_TIMEOUT_S, TritonClient
from backend.adapters.triton.drift import differences
from backend.adapters.triton.model_config import load_request, served_model
from backend.domain.drift import Difference
from backend.domain.serving import TRITON_MODEL, ServedModel


@dataclass(frozen=True, kw_only=True)
class Look:
    """`loaded`: something answers under the served name. `served` is None also when we cannot tell what it is.

    `unfinished`: it is what a deployment was about to make the wanted one. `drift` is what nobody of ours changed.
    """

    loaded: bool = False
    served: ServedModel | None = None
    unfinished: bool = False
    drift: tuple[Difference, ...] = ()


def look(folder: EndpointFolder, wanted: Wanted, client: TritonClient, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Look:
    """Raises `EndpointUnavailableError` when the server does not answer."""
    live = client.config(timeout_s=timeout_s)
    if live is None:
        return Look()
    served = served_model(live)
    if served is not None and served != wanted.model and served == folder.intended():
        return Look(loaded=True, served=served, unfinished=True)
    return Look(
        loaded=True,
        served=served,
        drift=(*differences(request_for(wanted), live), *_changed_files(folder, wanted)),
    )


def request_for(wanted: Wanted, name: str = TRITON_MODEL) -> str:
    """The load by which Triton serves `wanted`; each is one of its own, and so is never a load of nothing."""
    return load_request(
        wanted.config,
        name=name,
        model=wanted.model,
        onnx_sha256=wanted.onnx_sha256,
        generation=str(time.time_ns()),
    )


def _changed_files(folder: EndpointFolder, wanted: Wanted) -> tuple[Difference, ...]:
    """Triton holds the model in memory: other bytes on the disk would be noticed by the next load, which fails."""
    file = folder.repository.model_file(wanted.model.version)
    try:
        found = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        found = ""
    if found == wanted.onnx_sha256:
        return ()
    return (
        Difference(what="model file on disk", wanted=wanted.onnx_sha256[:12], served=found[:12] or "not to be read"),
    )
