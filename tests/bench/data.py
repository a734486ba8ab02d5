"""`python -m tests.bench.data`: that data larger than the memory costs neither memory nor speed.

Two pairs of .npy files, of 200,000 and of 2,000,000 images (MNIST, moved about), are made in a temporary folder. The
trainer's own code reads each, looks it through, fits lean_d for a while, validates, exports, evaluates and turns over
to a new pass, in a process whose anonymous memory is watched all along; pages of the files belong to the kernel's cache
and are not counted. Then the pipeline alone, from the mapped file and from the same images in memory, in turn. Wants
1.6 GB of disk, and of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.bench.report import ROOT, write_table

FEW, MANY = 200_000, 2_000_000
MOST_MB: Final = 1_200
MOST_GROWTH_MB: Final = 50
MOST_SLOWER: Final = 1.1
RUNS: Final = 3
"""Trainings of each size, in turn; the medians are compared."""
WINDOWS: Final = 5
_FIT_SECONDS: Final = 20.0
_WINDOW_STEPS: Final = 1_000
_BATCH: Final = 128
_SAMPLE_SECONDS: Final = 0.02


def make(folder: Path, count: int) -> Path:
    """A folder with images.npy uint8 [count, 28, 28] and labels.npy uint8 [count], a round of MNIST at a time."""
    from backend.digits import dataset

    data = dataset.load("mnist", notify=lambda text: print(text, file=sys.stderr))
    images, labels = data.train.take(slice(None))
    folder.mkdir()
    shapes = {"images": (count, 28, 28), "labels": (count,)}
    files = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.uint8, shape=shape)
        for name, shape in shapes.items()
    }
    for number, start in enumerate(range(0, count, len(images))):
        here = min(len(images), count - start)
        down, right = number // 5 % 5 - 2, number % 5 - 2
        files["images"][start : start + here] = np.roll(images[:here], (down, right), axis=(1, 2))
        files["labels"][start : start + here] = labels[:here]
    for file in files.values():
        file.flush()
    return folder


def anonymous_mb() -> float:
    """What this process holds now that no file backs, in MB of 1,000,000 bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kibibytes = next(line.split()[1] for line in lines if line.startswith("RssAnon:"))
    return int(kibibytes) * 1024 / 1e6


@contextmanager
def watched() -> Iterator[list[float]]:
    """The peak of `anonymous_mb` while this lasts, as the list's only number."""
    peak, ended = [anonymous_mb()], threading.Event()

    def watch() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            peak[0] = max(peak[0], anonymous_mb())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def train(folder: Path) -> dict[str, float]:
    """Train for a while in this process: peak of its anonymous memory, and what came before the first step."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from backend.digits import dataset, evaluate, export, fitting, model
    from backend.digits.config import TrainConfig
    from backend.digits.container import StopSignal
    from backend.digits.pipeline import batches, validation
    from backend.digits.progress import Listener
    from backend.digits.train import mixed

    config = TrainConfig(model="lean_d", dataset=str(folder), batch_size=_BATCH)
    stop, steps = StopSignal(), 0
    with watched() as peak:
        at_start, begun = peak[0], time.monotonic()
        data = dataset.load(config.dataset, notify=lambda text: print(text, file=sys.stderr), environ={})
        looked_through = time.monotonic() - begun
        fitting.make_reproducible(config.seed)
        network = model.build(config.model)
        mix = mixed(data, config)
        deadline = time.monotonic() + _FIT_SECONDS

        def report(_: object) -> None:
            stop.wanted = time.monotonic() > deadline

        try:
            fitting.fit(network, data, mix, config, Listener(report=report), stop=stop)
        except SystemExit:
            steps = int(network.optimizer.iterations.value.numpy())
        else:
            steps = config.epochs * mix.steps(_BATCH)
        network.evaluate(validation(data), verbose=0)
        with tempfile.TemporaryDirectory() as scratch:
            onnx_file = export.export(network, Path(scratch), data.train.take(slice(export.CHECKED_IMAGES))[0])
            evaluate.evaluate(onnx_file, data.test_images, data.test_labels)
        # Too many images for a whole pass of training here: the turn of a pass is the pipeline's alone.
        for epoch, first in ((0, mix.steps(_BATCH) - 50), (1, 0)):
            for _ in batches(mix, _BATCH, "shift", config.seed, epoch=epoch, first_step=first).take(50):
                pass
    return {"peak_mb": peak[0], "start_mb": at_start, "looked_through_s": looked_through, "steps": steps}


def pipeline(folder: Path, augmentation: str) -> dict[str, list[float]]:
    """CPU-seconds (all threads) per image, of the mapped file and of the same images in memory, window for window."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from backend.digits.dataset import Part
    from backend.digits.pipeline import Mix, batches

    mapped = Part.whole(np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "labels.npy"))
    in_memory = Part.whole(np.array(mapped.images), mapped.labels)

    def window(part: Part, number: int) -> float:
        source = batches(Mix(part), _BATCH, augmentation, seed=0, epoch=number).take(_WINDOW_STEPS)
        begun = time.process_time()
        for _ in source:
            pass
        return (time.process_time() - begun) / (_WINDOW_STEPS * _BATCH)

    seen: dict[str, list[float]] = {"mapped": [], "in_memory": []}
    for number in range(WINDOWS + 1):
        for name, part in (("mapped", mapped), ("in_memory", in_memory)):
            seconds = window(part, number)
            if number:  # the first traces and warms up
                seen[name].append(seconds)
    return seen


def in_child(what: str, folder: Path, augmentation: str = "none") -> Any:
    command = [sys.executable, "-m", "tests.bench.data", "--child", what, "--folder", str(folder)]
    command += ["--augmentation", augmentation]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    print(what, folder.name, augmentation, json.dumps(answer), file=sys.stderr, flush=True)
    return answer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", choices=["train", "pipeline"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--augmentation", default="none")
    options = parser.parse_args()
    if options.child:
        child = train(options.folder) if options.child == "train" else pipeline(options.folder, options.augmentation)
        print(json.dumps(child))
        return
    with tempfile.TemporaryDirectory(prefix="digits-bench-") as scratch:
        folders = {count: make(Path(scratch) / f"{count}", count) for count in (FEW, MANY)}
        trained: dict[int, list[dict[str, float]]] = {FEW: [], MANY: []}
        for _ in range(RUNS):
            for count, folder in folders.items():
                trained[count].append(in_child("train", folder))
        windows = {name: in_child("pipeline", folders[MANY], name) for name in ("none", "shift")}
    report(trained, windows)


def report(trained: dict[int, list[dict[str, float]]], windows: dict[str, dict[str, list[float]]]) -> None:
    few, many = (statistics.median(run["peak_mb"] for run in trained[count]) for count in (FEW, MANY))
    worst = max(run["peak_mb"] for run in trained[MANY])
    rows = [
        _row(
            f"most anonymous memory, {MANY:,} images",
            f"under {MOST_MB:,} MB",
            worst < MOST_MB,
            f"{worst:,.0f} MB ({_each(trained[MANY])})",
        ),
        ["the same, 200,000 images", "", f"{few:,.0f} MB ({_each(trained[FEW])})", ""],
        _row(
            "between the two medians",
            f"within {MOST_GROWTH_MB} MB",
            many - few <= MOST_GROWTH_MB,
            f"{many - few:+.0f} MB",
        ),
    ]
    for augmentation, seen in windows.items():
        mapped, in_memory = (statistics.median(seen[name]) for name in ("mapped", "in_memory"))
        rows.append(
            _row(
                f"pipeline, augmentation {augmentation}: CPU per image, mapped against in memory",
                f"at most {MOST_SLOWER:.1f}x",
                mapped <= MOST_SLOWER * in_memory,
                f"{1e6 * mapped:.2f} against {1e6 * in_memory:.2f} µs, {mapped / in_memory:.2f}x",
            )
        )
    seconds = statistics.median(run["looked_through_s"] for run in trained[MANY])
    rows.append([f"{MANY:,} images looked through before the training", "", f"{seconds:.1f} s", ""])
    write_table(
        "Data larger than the memory",
        ["what", "goal", "measured", "met"],
        rows,
        note=f"lean_d in batches of {_BATCH} for {_FIT_SECONDS:.0f} s from .npy files, then validation, export, "
        f"evaluation and the turn of a pass; {RUNS} trainings of each size, in turn, each with its peak. The pipeline "
        f"alone: {WINDOWS} windows of "
        f"{_WINDOW_STEPS * _BATCH:,} images each, in turn, medians.",
    )


def _each(runs: list[dict[str, float]]) -> str:
    return ", ".join(f"{run['peak_mb']:.0f}" for run in runs)


def _row(what: str, goal: str, met: bool, measured: str) -> list[str]:
    return [what, goal, measured, "yes" if met else "**no**"]


if __name__ == "__main__":
    main()
