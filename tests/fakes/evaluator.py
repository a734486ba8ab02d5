"""Archives run in this process, over images that a test chooses; trusted because it passes the evaluator's contract."""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backend.adapters.local.packing import sha256_of
from backend.adapters.triton.answers import require_probabilities
from backend.adapters.triton.archive import read_archive
from backend.adapters.triton.canary import canary_images
from backend.adapters.triton.onnx_model import require_servable
from backend.digits.normalise import normalise
from backend.domain.evaluation import Performance
from backend.domain.predictions import DataKind, LabelledImages, Measurement, Tried
from backend.errors import ArchiveRejectedError, DeploymentFailedError, InvalidInputError, NotFoundError
from backend.ports.evaluator import ArchiveEvaluator, Say

SETS = ("auto", "mnist", "digits8x8")


def images(name: str, n: int, *, noise: float, seed: int) -> LabelledImages:
    """`n` known digits, every digit in turn, under noise: with much of it the simplest model misreads some."""
    random = np.random.default_rng(seed)
    labels = (np.arange(n) % 10).astype(np.uint8)
    known = canary_images().reshape(10, 28, 28)[labels] * 255
    noisy = np.clip(known + random.normal(0, 255 * noise, known.shape), 0, 255).astype(np.uint8)
    return LabelledImages(name=name, images=noisy.tobytes(), labels=labels.tobytes())


class InProcessEvaluator:
    """`ArchiveEvaluator` without a child process; every named data set is another small one."""

    def examine(self, archive: Path) -> str:
        if not archive.is_file():
            raise NotFoundError(f"There is no file '{archive}'.")
        sha256 = sha256_of(archive)
        require_servable(read_archive(archive, sha256=sha256).onnx)
        return sha256

    def run(
        self, archive: Path, *, sha256: str, test: str | LabelledImages, hard: Sequence[LabelledImages], say: Say
    ) -> Measurement:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime as ort

        content = read_archive(archive, sha256=sha256)
        require_servable(content.onnx)
        session = ort.InferenceSession(content.onnx, providers=["CPUExecutionProvider"])
        if isinstance(test, str):
            if test not in SETS:
                raise InvalidInputError(f"The data set '{test}' does not exist.")
            test = images("mnist" if test == "auto" else test, 200, noise=1.2, seed=SETS.index(test) // 2)
        sets = [(DataKind.TEST, test), (DataKind.FREEHAND, images("freehand", 50, noise=1.0, seed=9))]
        sets += [(DataKind.HARD_EXAMPLES, one) for one in hard]
        tried = []
        for kind, data in sets:
            say(f"Trying it on {len(data):,} images of {data.name}")
            pixels = normalise(np.frombuffer(data.images, np.uint8).reshape(-1, 28, 28))
            (answers,) = session.run(["output_1"], {"input_1": pixels})
            try:
                require_probabilities(answers, count=len(data), who="The model")
            except DeploymentFailedError as error:
                raise ArchiveRejectedError(error.message) from error
            tried.append(Tried(kind=kind, data=data, probabilities=array("f", answers.ravel().tolist())))
        performance = Performance(
            precision="fp32",
            file_bytes=len(content.onnx),
            latency_p50_ms=0.05,
            latency_p99_ms=0.1,
            images_per_second=30_000.0,
        )
        return Measurement(tried=tuple(tried), performance=performance)


def _conforms(fake: InProcessEvaluator) -> ArchiveEvaluator:
    return fake
