"""A trainer that keeps the container's contract in milliseconds, for tests of what runs trainers.

How it behaves is the `seed`: FINISHES, FAILS (with a reason), CRASHES (without one), HANGS (ends on SIGTERM), IGNORES
(SIGTERM does not end it) or DAWDLES (a pause after each epoch). It prints the files of its input channels and `epochs`
metric lines, and after more than one epoch it has a checkpoint. The farther `lr` is from BEST_RATE, the less it learns.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from pathlib import Path

from backend.digits.metric_lines import format_line, format_notice

FINISHES, FAILS, CRASHES, HANGS, IGNORES, DAWDLES = range(6)
BEST_RATE = 0.012
PAUSE = 1.2
"""Seconds; those who watch a job look twice as often."""


def main() -> None:
    given = arguments(sys.argv[1:])
    epochs, behaviour = int(given["epochs"]), int(given["seed"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == IGNORES else lambda *_: sys.exit(143))
    print(format_notice("a stand-in trainer"))
    name = os.environ.get("DIGITS_JOB") or os.environ["TRAINING_JOB_NAME"]  # SageMaker has a name of its own for it
    print(f"hello from {name}")
    for variable, folder in sorted(os.environ.items()):
        for file in sorted(Path(folder).iterdir()) if variable.startswith("SM_CHANNEL_") else ():
            print(f"{variable} has {file.name}: {file.read_text(errors='replace')}")
    checkpoint = Path(os.environ["DIGITS_CHECKPOINTS"], "checkpoint")
    if checkpoint.is_file():
        print(format_notice(f"going on from {checkpoint.read_text()}"))
    for epoch in range(1, epochs + 1):
        accuracy = 0.9 + epoch / 100 - abs(math.log10(float(given["lr"]) / BEST_RATE)) / 10
        print(format_line({"epoch": epoch, "progress": epoch / epochs, "val_accuracy": accuracy}), flush=True)
        if behaviour == DAWDLES:
            time.sleep(PAUSE)
    if behaviour == FAILS:
        Path(os.environ["SM_OUTPUT_DIR"], "failure").write_text("The loss became NaN in epoch 2.")
        print("DivergedError: The loss became NaN in epoch 2.", file=sys.stderr)
        sys.exit(1)
    if behaviour == CRASHES:
        sys.exit("Segmentation of the imagination")
    if epochs > 1:
        checkpoint.parent.mkdir(exist_ok=True)
        checkpoint.write_text(f"epoch {epochs} of {name}")
        print("[checkpoint] written", flush=True)
    while behaviour in (HANGS, IGNORES):
        time.sleep(0.05)
    model = Path(os.environ["SM_MODEL_DIR"], "mnist", "1")
    model.mkdir(parents=True)
    (model / "model.onnx").write_bytes(b"not a model, but always the same bytes")
    (model.parent / "config.pbtxt").write_text('name: "mnist"\n')
    Path(os.environ["SM_OUTPUT_DATA_DIR"], "evaluation.json").write_text(json.dumps(evaluation()))
    print(format_line({"test_accuracy": 0.95}))


def arguments(words: list[str]) -> dict[str, str]:
    """`--name=value` as this machine gives them, or `--name value` as SageMaker's containers do."""
    found, names = {}, iter(words)
    for word in names:
        name, separator, value = word.removeprefix("--").partition("=")
        found[name] = value if separator else next(names)
    return found


def evaluation() -> dict[str, object]:
    """95 of 100 right: five nines taken for fours."""
    confusion = [[10 if row == column else 0 for column in range(10)] for row in range(10)]
    confusion[9][9], confusion[9][4] = 5, 5
    return {
        "accuracy": 0.95,
        "loss": 0.2,
        "n": 100,
        "per_class_recall": [1.0] * 9 + [0.5],
        "confusion": confusion,
        "test_sha256": "0" * 64,
        "dataset": {"name": "mnist", "source": "test"},
        "freehand": {"accuracy": 0.9, "n": 50, "sha256": "1" * 64, "per_class_recall": [0.9] * 10},
        "performance": {
            "precision": "int8",
            "file_bytes": 107_520,
            "latency_p50_ms": 0.0512,
            "latency_p99_ms": 0.123,
            "images_per_second": 28_400.0,
        },
    }


if __name__ == "__main__":
    main()
