"""`python -m tests.bench.precision`: one network exported in every precision, all files side by side in one run.

lean_c is trained for three epochs in float32 and, apart, in bfloat16. The files take turns, a round each, so that
whatever else the machine does falls on all alike; the best round of each counts. All run on the CPU with one thread,
as an archive's configuration has it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from backend.domain.training import resolve
from tests.bench.report import write_table

SETTINGS: Final = {"model": "lean_c", "epochs": 3, "dataset": "mnist"}
_SINGLES: Final = 1_000
_BATCHES: Final = 50


@dataclass(frozen=True)
class File:
    """One exported file: how it was trained and exported, and what it says of the test set."""

    trained: str
    precision: str
    path: Path
    accuracy: float
    equal: float
    cpu_seconds: float


def make_files(folder: Path, seed: int) -> list[File]:
    """Train and export everything; accuracy and agreement with Keras are of the file on the 10,000 test images."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from backend.digits import dataset, export, fitting, model, qat
    from backend.digits.config import TrainConfig
    from backend.digits.container import StopSignal
    from backend.digits.evaluate import evaluate
    from backend.digits.normalise import normalise
    from backend.digits.progress import Listener
    from backend.digits.train import mixed

    files: list[File] = []

    def add(trained: str, precision: str, network: Any, data: Any, seconds: float) -> None:
        path = export.export(
            network,
            folder / trained / precision,
            export.checked_images(data),
            precision=precision,
            calibration=export.calibration_images(data),
        )
        seen = evaluate(path, data.test_images, data.test_labels)
        labels = network.predict(normalise(data.test_images), batch_size=500, verbose=0).argmax(axis=1)
        equal = float((seen.probabilities.argmax(axis=1) == labels).mean())
        files.append(File(trained, precision, path, seen.accuracy, equal, seconds))
        print(files[-1], file=sys.stderr, flush=True)

    for trained in ("fp32", "bfloat16"):
        settings: dict[str, Any] = {**SETTINGS, "train_precision": trained, "seed": seed, "checkpoint_minutes": 0}
        config = TrainConfig(**resolve("balanced", settings))  # type: ignore[arg-type]
        data = dataset.load(config.dataset, validation_size=config.validation_size, notify=lambda _: None)
        mix = mixed(data, config)
        fitting.make_reproducible(seed)
        network = model.build(config.model, precision=config.train_precision)
        began = time.process_time()
        fitting.fit(network, data, mix, config, Listener())
        seconds = time.process_time() - began
        if trained == "bfloat16":
            add(trained, "fp32", model.in_float32(network), data, seconds)
            continue
        for precision in ("fp32", "fp16", "int8"):
            add(trained, precision, network, data, seconds)
        began = time.process_time()
        plain, _ = qat.teach(network, data, mix, config, Listener(), folder=folder, stop=StopSignal())
        add(trained, export.QUANTISATION_AWARE, plain, data, seconds + time.process_time() - began)
    return files


def race(files: list[File], rounds: int) -> list[tuple[float, float]]:
    """Of each file the milliseconds for one image, and the images per second in batches of 64: in its best rounds."""
    import numpy as np

    from backend.digits.performance import BATCH, latencies, open_session

    sessions = [open_session(file.path) for file in files]
    pixels = np.random.default_rng(0).random((BATCH, 28, 28, 1), np.float32)
    best = [(np.inf, 0.0)] * len(files)
    for _ in range(rounds):
        for number, session in enumerate(sessions):
            single = float(np.median(latencies(session, pixels[:1], most=_SINGLES, seconds=1.0))) * 1e3
            batch = float(np.median(latencies(session, pixels, most=_BATCHES, seconds=1.0)))
            best[number] = (min(best[number][0], single), max(best[number][1], BATCH / batch))
    return best


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = make_files(Path(folder), options.seed)
        speeds = race(files, options.rounds)
        rows = [
            [
                file.trained,
                file.precision,
                f"{100 * file.accuracy:.2f}",
                f"{100 * file.equal:.2f}",
                f"{file.path.stat().st_size / 1024:.1f}",
                f"{single:.4f}",
                f"{per_second:,.0f}",
                f"{file.cpu_seconds:.0f}",
            ]
            for file, (single, per_second) in zip(files, speeds, strict=True)
        ]
    write_table(
        "Precision: one network, every export",
        [
            "trained",
            "exported",
            "test accuracy, %",
            "labels equal to Keras, %",
            "KiB",
            "p50 of one image, ms",
            "images/s in batches of 64",
            "CPU-s to train",
        ],
        rows,
        note=f"lean_c, three epochs of the preset balanced, seed {options.seed}; int8-qat one more. Accuracy and "
        "labels are of the exported file, on the 10,000 test images. One thread; the files took turns for "
        f"{options.rounds} rounds, and each one's best counts.",
    )


if __name__ == "__main__":
    main()
