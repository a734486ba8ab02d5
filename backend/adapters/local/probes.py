"""What the doctor asks of this machine."""

from __future__ import annotations

import platform
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from sqlalchemy import text

from backend.adapters.local.database import Database
from backend.adapters.local.external_server import ExternalTriton
from backend.adapters.local.home import Home
from backend.adapters.local.serving_proof import prove_serving
from backend.domain.drift import told
from backend.domain.serving import EndpointStatus, Stage
from backend.errors import PlatformError, SetupError
from backend.ports.probes import Probe
from backend.ports.serving import ServingPlatform

_DISK_NEEDED_BYTES: Final = 1_000_000_000
_TRAINING_PACKAGES: Final = ("tensorflow", "keras", "onnx", "onnxruntime", "wandb")
_KERAS_CACHE: Final = Path("~/.keras/datasets/mnist.npz")


def local_probes(
    *,
    home: Home,
    database: Database,
    serving: ServingPlatform,
    serving_environment: Path,
    external: Mapping[Stage, ExternalTriton],
    data: Path | None,
    wandb: Probe,
) -> Sequence[Probe]:
    """Quick ones first; the proof of the serving chain last."""
    probes = [
        Probe(name="Python", look=_python),
        Probe(name="Disk", look=lambda: _disk(home.root)),
        Probe(name="Database", look=lambda: _database(database)),
        Probe(name="Training packages", look=_packages),
        Probe(name="Training data", look=lambda: _data(data)),
        wandb,
    ]
    probes += [Probe(name=f"{stage.value.capitalize()} endpoint", look=_endpoint(serving, stage)) for stage in Stage]
    probes += [
        Probe(name=f"Triton of {stage.value}", look=_external_triton(external[stage], stage)) for stage in external
    ]
    if len(external) < len(Stage):
        probes.append(Probe(name="Embedded Triton", look=lambda: _triton(serving_environment)))
    return probes


def _python() -> str:
    return f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"


def _disk(root: Path) -> str:
    free = shutil.disk_usage(root).free
    if free < _DISK_NEEDED_BYTES:
        raise PlatformError(
            f"{free / 1e9:.1f} GB are free at '{root}'; trainings and models need at least 1 GB.",
            hint=f"Free some space, or set DIGITS_HOME to a folder on a larger disk (now {root}).",
        )
    return f"{free / 1e9:.0f} GB free at {root}"


def _database(database: Database) -> str:
    with database.write() as connection:
        mode = connection.execute(text("PRAGMA journal_mode")).scalar_one()
        jobs = connection.execute(text("SELECT count(*) FROM jobs")).scalar_one()
    return f"{database.path} can be written ({mode} mode, {jobs} job{'s' if jobs != 1 else ''})"


def _packages() -> str:
    found = []
    for name in _TRAINING_PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            raise SetupError(f"Package '{name}' is missing.", hint="make run") from None
    return ", ".join(found)


def _data(data: Path | None) -> str:
    if data is not None:
        if not zipfile.is_zipfile(data):
            raise SetupError(
                f"DIGITS_DATA is '{data}': there is no .npz file.",
                hint="Name an existing mnist.npz in DIGITS_DATA, or remove the setting to download MNIST.",
            )
        return f"MNIST from {data}"
    if _KERAS_CACHE.expanduser().is_file():
        return f"MNIST from {_KERAS_CACHE}"
    return "MNIST will be downloaded once (11 MB, from Google's TensorFlow storage) by the first training"


def _endpoint(serving: ServingPlatform, stage: Stage) -> Callable[[], str]:
    def look() -> str:
        endpoint = serving.describe(stage)
        if endpoint.wanted is None:
            return "nothing is deployed"
        if endpoint.status is not EndpointStatus.IN_SERVICE:
            raise PlatformError(
                f"Version {endpoint.wanted.version} should serve; the endpoint is {endpoint.status.value}. "
                f"{endpoint.detail}",
                hint=f"python -m backend promote {endpoint.wanted.version} --to {stage.value}",
            )
        if endpoint.drift:
            raise PlatformError(
                f"It answers, but not as it was deployed: {told(endpoint.drift)}.",
                hint=f"python -m backend guard restore --stage {stage.value}",
            )
        return f"version {endpoint.wanted.version} serves at {endpoint.url}"

    return look


def _external_triton(triton: ExternalTriton, stage: Stage) -> Callable[[], str]:
    def look() -> str:
        try:
            triton.require_ours(stage)
        except OSError as error:
            raise SetupError(
                f"The model repository '{triton.repository}' cannot be written: {error}.",
                hint="Let DIGITS_TRITON_REPOSITORY name a folder that this user can write.",
            ) from error
        return f"the Triton server at {triton.url} loads models from {triton.repository}"

    return look


def _triton(serving_environment: Path) -> str:
    return prove_serving(serving_environment)
