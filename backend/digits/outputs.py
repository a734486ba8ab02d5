"""The files of output.tar.gz: what a job learnt about its model, for the dashboard and for comparisons."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .config import TrainConfig
from .dataset import Dataset, Part, digest_of
from .evaluate import Evaluation
from .performance import Performance
from .progress import EpochPoint


def write_outputs(
    folder: Path,
    *,
    config: TrainConfig,
    data: Dataset,
    labelled: Part | None,
    evaluation: Evaluation,
    drawn: Evaluation,
    curves: Sequence[EpochPoint],
    parameters: int,
    measured: Performance,
) -> None:
    """Write `evaluation.json`, `predictions.npz` (labels uint8 [n], probabilities float32 [n, 10], and the same of the
    held-out drawings `drawn` as `freehand_labels` and `freehand_probabilities`), `curves.json` (one entry per epoch)
    and `config.json` (every hyperparameter).
    """
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "accuracy": evaluation.accuracy,
        "loss": evaluation.loss,
        "n": evaluation.n,
        "per_class_recall": evaluation.per_class_recall,
        "confusion": evaluation.confusion,
        "test_sha256": evaluation.test_sha256,
        "dataset": describe(data, labelled),
        "freehand": {
            "accuracy": drawn.accuracy,
            "n": drawn.n,
            "sha256": drawn.test_sha256,
            "per_class_recall": drawn.per_class_recall,
        },
        "parameters": parameters,
        "onnx_bytes": measured.file_bytes,
        "performance": dataclasses.asdict(measured),
    }
    _write_json(folder / "evaluation.json", document)
    _write_json(folder / "curves.json", [dataclasses.asdict(point) for point in curves])
    _write_json(folder / "config.json", dataclasses.asdict(config))
    np.savez_compressed(
        folder / "predictions.npz",
        labels=evaluation.labels,
        probabilities=evaluation.probabilities,
        freehand_labels=drawn.labels,
        freehand_probabilities=drawn.probabilities,
    )


def describe(data: Dataset, labelled: Part | None = None) -> dict[str, str | int]:
    """The data set in a few words and numbers; `labelled` drawings are counted, and named as a test set is."""
    drawings: dict[str, str | int] = {}
    if labelled:
        drawings["hard_examples_n"] = len(labelled.images)
        drawings["hard_examples_sha256"] = digest_of(labelled.images, labelled.labels)
    return {
        "name": data.name,
        "source": data.source,
        "train_n": len(data.train),
        "validation_n": len(data.validation_images),
        "test_n": len(data.test_images),
        **drawings,
    }


def _write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
