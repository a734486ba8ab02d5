"""The doctor's proof of serving: a real Triton, on ports of its own, answers a known digit through every layer."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.local.packing import sha256_of
from backend.adapters.local.processes import FileLock, LockHeldError
from backend.adapters.triton.canary import canary_images
from backend.adapters.triton.canary_model import write_canary_archive
from backend.domain.serving import ServedModel, Stage
from backend.errors import DeploymentFailedError

KNOWN_DIGIT = 3
_PREFIX = "digits-doctor-"
_LOCK = "proof.lock"


def prove_serving(serving_environment: Path) -> str:
    """Deploy a model that needs no training to a Triton that lives for this proof only; leaves nothing behind.

    Raises what the chain raises where it breaks: `SetupError`, `EndpointUnavailableError`, `DeploymentFailedError`.
    """
    begun = time.monotonic()
    clear_killed_proofs(serving_environment)
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder, FileLock.acquire(Path(folder) / _LOCK):
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


def clear_killed_proofs(serving_environment: Path) -> None:
    """Stop the Tritons and remove the folders of this user's proofs that were killed; a living proof keeps its own."""
    for lock in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_LOCK}"):
        if lock.parent.lstat().st_uid != os.getuid():
            continue  # what others wrote there must not say whom we signal
        try:
            with FileLock.acquire(lock):
                LocalEndpoints(lock.parent, serving_environment).delete(Stage.STAGING)
                shutil.rmtree(lock.parent, ignore_errors=True)
        except LockHeldError:
            continue
