"""How good the exported model is on the test set: measured on the very file that will be served."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .dataset import digest_of
from .normalise import normalise

_BATCH = 1_000
_LEAST_PROBABILITY = 1e-7
"""Keras' epsilon: the loss of a probability of zero stays finite."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Metrics on `n` test images; `confusion[actual][predicted]` counts them, `loss` is the mean cross-entropy in nats.

    `per_class_recall` is 0 for a class without images. `labels` uint8 [n] are the true ones, `probabilities` float32
    [n, 10] what the model said.
    """

    accuracy: float
    loss: float
    n: int
    per_class_recall: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]
    test_sha256: str
    labels: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float32]


def evaluate(onnx_file: Path, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> Evaluation:
    """Run the ONNX file over images uint8 [n, 28, 28] with labels uint8 [n] in 0..9."""
    probabilities = predict(onnx_file, images)
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((10, 10), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    right, per_class = np.diag(confusion), confusion.sum(axis=1)
    of_label = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return Evaluation(
        accuracy=float(right.sum() / len(labels)),
        loss=float(-np.log(np.clip(of_label, _LEAST_PROBABILITY, 1.0)).mean()),
        n=len(labels),
        per_class_recall=tuple(float(value) for value in right / np.maximum(per_class, 1)),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        test_sha256=digest_of(images, labels),
        labels=labels,
        probabilities=probabilities,
    )


def predict(onnx_file: Path, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The ten probabilities of each image uint8 [n, 28, 28], as float32 [n, 10]."""
    # ONNX Runtime reports to its maker by default since 1.29; the choice is read once, when it is first imported.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx_file, providers=["CPUExecutionProvider"])
    batches = [
        session.run(["output_1"], {"input_1": normalise(images[start : start + _BATCH])})[0]
        for start in range(0, len(images), _BATCH)
    ]
    return np.concatenate(batches)
