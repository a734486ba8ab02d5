"""Archives run on this machine: checked here, then run in a child process that has nothing but the model's file."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Final

import numpy as np

from backend.adapters.local.packing import sha256_of
from backend.adapters.local.processes import die_with_parent
from backend.adapters.triton.answers import require_probabilities
from backend.adapters.triton.archive import read_archive
from backend.adapters.triton.onnx_model import require_servable
from backend.domain.evaluation import Performance
from backend.domain.predictions import DataKind, LabelledImages, Measurement, Tried
from backend.errors import (
    ArchiveRejectedError,
    DeploymentFailedError,
    InvalidInputError,
    NotFoundError,
    WorkFailedError,
)
from backend.ports.evaluator import ArchiveEvaluator, Say

_LIMIT_SECONDS: Final = 600.0
_NO_DATA: Final = 2
"""Exit code of `backend.digits.assess` when the images could not be had."""


class LocalEvaluator:
    """`ArchiveEvaluator` on this machine. `environment` is what the child is started with."""

    def __init__(self, *, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def examine(self, archive: Path) -> str:
        if not archive.is_file():
            raise NotFoundError(f"There is no file '{archive}'.")
        sha256 = sha256_of(archive)
        require_servable(read_archive(archive, sha256=sha256).onnx)
        return sha256

    def run(
        self, archive: Path, *, sha256: str, test: str | LabelledImages, hard: Sequence[LabelledImages], say: Say
    ) -> Measurement:
        content = read_archive(archive, sha256=sha256)
        require_servable(content.onnx)  # also that it names no other file of this machine
        with tempfile.TemporaryDirectory(prefix="digits-evaluate-") as name:
            folder = Path(name)
            (folder / "model.onnx").write_bytes(content.onnx)
            if isinstance(test, LabelledImages):
                given = ["--test", _write(folder / "given-test.npz", test)]
            else:
                given = ["--dataset", test]
            for place, one in enumerate(hard):
                given += ["--hard", _write(folder / f"given-hard-{place}.npz", one)]
            self._assess(folder, given, say)
            return Measurement(
                tried=tuple(_tried(path, kind) for kind in DataKind for path in _written(folder, kind)),
                performance=_performance(folder / "performance.json"),
            )

    def _assess(self, folder: Path, given: list[str], say: Say) -> None:
        command = [sys.executable, "-m", "backend.digits.assess", "--onnx", str(folder / "model.onnx")]
        process = subprocess.Popen(
            [*command, "--out", str(folder), *given],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(self._environment),
            text=True,
            errors="replace",
            preexec_fn=die_with_parent,
        )
        watchdog = threading.Timer(_LIMIT_SECONDS, process.kill)
        watchdog.start()
        last = ""
        with process:
            for line in process.stdout or ():
                last = line.strip()[:500] or last
                say(last)
        watchdog.cancel()
        if process.returncode == 0:
            return
        failure = folder / "failure"
        reason = failure.read_text(encoding="utf-8") if failure.is_file() else ""
        if process.returncode == _NO_DATA and reason:
            raise InvalidInputError(
                reason, hint="Name another data set: python -m backend evaluate VERSION --data NAME"
            )
        if reason:
            raise ArchiveRejectedError(f"The model cannot be run: {reason}")
        raise WorkFailedError(f"Running the model broke off with exit code {process.returncode}. {last}".strip())


def _write(path: Path, data: LabelledImages) -> str:
    images = np.frombuffer(data.images, np.uint8).reshape(-1, 28, 28)
    np.savez(path, name=np.array(data.name), images=images, labels=np.frombuffer(data.labels, np.uint8))
    return str(path)


def _written(folder: Path, kind: DataKind) -> Sequence[Path]:
    """What `backend.digits.assess` wrote of the kind: one file, or for labelled drawings one a set, in their order."""
    one = folder / f"{kind.value}.npz"
    several = sorted(folder.glob(f"{kind.value}-*.npz"), key=lambda path: int(path.stem.rpartition("-")[2]))
    return [one] if one.is_file() else several


def _tried(path: Path, kind: DataKind) -> Tried:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as members:
        answers = members["probabilities"]
        data = LabelledImages(
            name=str(members["name"]), images=members["images"].tobytes(), labels=members["labels"].tobytes()
        )
    try:
        require_probabilities(answers, count=len(data), who=f"The model, asked about {data.name},")
    except DeploymentFailedError as error:
        raise ArchiveRejectedError(error.message) from error
    probabilities = array("f")
    probabilities.frombytes(answers.astype(np.float32).tobytes())
    return Tried(kind=kind, data=data, probabilities=probabilities)


def _performance(path: Path) -> Performance:
    measured = json.loads(path.read_text(encoding="utf-8"))
    return Performance(**{field.name: measured[field.name] for field in fields(Performance)})


def _conforms(adapter: LocalEvaluator) -> ArchiveEvaluator:
    return adapter
