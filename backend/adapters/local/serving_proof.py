"""The doctor's proof of serving: a real Triton, on ports of its own, answers a known digit through every layer."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.local.packing import sha256_of
from backend.adapters.triton.canary import canary_images
from backend.adapters.triton.canary_model import write_canary_archive
from backend.domain.serving import ServedModel, Stage
from backend.errors import DeploymentFailedError

KNOWN_DIGIT = 3


def prove_serving(serving_environment: Path) -> str:
    """Deploy a model that needs no training to a Triton that lives for this proof only; leaves nothing behind.

    Raises what the chain raises where it breaks: `SetupError`, `EndpointUnavailableError`, `DeploymentFailedError`.
    """
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="digits-doctor-") as folder:
        archive = Path(folder) / "model.tar.gz"
        write_canary_archive(archive)
        endpoints = LocalEndpoints(Path(folder), serving_environment)
        target = ServedModel(version=1, sha256=sha256_of(archive))
        try:
            endpoints.deploy(Stage.STAGING, target, archive, lambda *_: None)
            answer = endpoints.predict(Stage.STAGING, canary_images()[KNOWN_DIGIT : KNOWN_DIGIT + 1])
        finally:
            endpoints.delete(Stage.STAGING)
    label = max(range(10), key=answer.probabilities[0].__getitem__)
    if label != KNOWN_DIGIT:
        raise DeploymentFailedError(
            f"A Triton started for this check reads a known {KNOWN_DIGIT} as {label}.",
            hint="rm -r .venv-serving && make run",
        )
    seconds = time.monotonic() - begun
    return f"a Triton was started and read a known {KNOWN_DIGIT} in {answer.latency_ms:.1f} ms ({seconds:.1f} s in all)"
