"""`python -m tests.bench.ablation`: what each part of the accurate preset is worth, on a short recipe.

The recipe is the preset's own, with fewer images and passes and a smaller network; a variant changes one thing in it.
Everything is judged on 10,000 validation images, which no training here sees, and on new drawings: the test set and the
held-out drawings are never looked at, so a choice made on this table leaves them unspent. Each training has a process
of its own, and its result is appended to a file at once: run again after an interruption, it goes on.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from backend.domain.training import Value, resolve
from tests.bench.report import ROOT, write_table

VALIDATION: Final = 10_000
DRAWINGS: Final = 2_000
_DRAWINGS_SEED: Final = 20_261_125
"""Of no training: `train.mixed` makes drawings up from the seed of the training."""
SEEDS: Final = 2
RECIPE: Final[Mapping[str, Value]] = {
    "dataset": "mnist",
    "model": "lean_c",
    "epochs": 3,
    "limit": 20_000,
    # The preset averages over about a twentieth of its 4,700 steps; over 0.995 these few hundred would hold their
    # first weights to the end.
    "ema": 0.96,
}
VARIANTS: Final[Mapping[str, Mapping[str, Value]]] = {
    "the short recipe": {},
    "augmentation none": {"augmentation": "none"},
    "augmentation shift": {"augmentation": "shift"},
    "augmentation affine": {"augmentation": "affine"},
    "no averaged weights": {"ema": 0.0},
    "averaged over four times as many steps": {"ema": 0.99},
    "label smoothing 0": {"label_smoothing": 0.0},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "dropout 0": {"dropout": 0.0},
    "dropout 0.5": {"dropout": 0.5},
    "optimizer adam": {"optimizer": "adam", "weight_decay": 0.0},
    "weight decay 0.05": {"weight_decay": 0.05},
    "learning rate 0.002": {"lr": 2e-3},
    "learning rate 0.008": {"lr": 8e-3},
    "batches of 64": {"batch_size": 64},
    "model lean_d": {"model": "lean_d"},
    "model lean_e": {"model": "lean_e"},
    "drawings 0": {"freehand": 0.0},
}
RESULTS: Final = Path(tempfile.gettempdir()) / "digits-ablation.jsonl"


def settings(variant: str, seed: int) -> dict[str, Value]:
    """Every hyperparameter of one training."""
    return resolve("accurate", {**RECIPE, **VARIANTS[variant], "seed": seed, "checkpoint_minutes": 0})


def child(variant: str, seed: int) -> dict[str, Any]:
    """Train one variant in this process; which validation images it gets wrong, and what it cost."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    from backend.digits import dataset, fitting, freehand, model
    from backend.digits.config import TrainConfig
    from backend.digits.normalise import normalise
    from backend.digits.progress import Listener
    from backend.digits.train import mixed

    values: dict[str, Any] = settings(variant, seed)
    config = TrainConfig(**values)
    whole = dataset.load(config.dataset, validation_size=VALIDATION, notify=lambda _: None)
    # `load` holds out a tenth at most: the rest comes from the end of the training images.
    missing = VALIDATION - len(whole.validation_images)
    images, labels = whole.train.take(slice(-missing, None))
    judged = np.concatenate([whole.validation_images, images]), np.concatenate([whole.validation_labels, labels])
    rows = whole.train.rows[:-missing][: config.limit]
    # What `fit` validates on after every pass is kept small: it decides nothing here, and its time is on the clock.
    data = dataclasses.replace(
        whole,
        train=dataclasses.replace(whole.train, rows=rows),
        validation_images=judged[0][:500],
        validation_labels=judged[1][:500],
    )
    fitting.make_reproducible(seed)
    network = model.build(config.model, dropout=config.dropout, precision=config.train_precision)
    mix = mixed(data, config)
    begun = time.process_time()
    fitting.fit(network, data, mix, config, Listener(report=lambda _: None))
    seconds = time.process_time() - begun
    forward = tf.function(lambda pixels: network(pixels, training=False))

    def wrong(images: Any, labels: Any) -> list[int]:
        batches = [forward(normalise(images[start : start + 500])) for start in range(0, len(images), 500)]
        return [int(place) for place in np.flatnonzero(np.concatenate(batches).argmax(axis=1) != labels)]

    return {
        "settings": values,
        "wrong": wrong(*judged),
        "drawings_wrong": len(wrong(*freehand.generate(DRAWINGS, seed=_DRAWINGS_SEED))),
        "cpu_per_pass": seconds / config.epochs,
    }


def measure(variant: str, seed: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.ablation", "--child", variant, "--seed", str(seed)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def known(path: Path) -> list[dict[str, Any]]:
    """The results in the file; a line that was cut off by a kill is left out."""
    results = []
    for line in path.read_text().splitlines() if path.is_file() else ():
        try:
            results.append(json.loads(line))
        except ValueError:
            continue
    return results


def of_variant(results: Sequence[dict[str, Any]], variant: str) -> list[dict[str, Any]]:
    wanted = [settings(variant, seed) for seed in range(SEEDS)]
    return [found for values in wanted for found in results if found["settings"] == values][:SEEDS]


def standard_error(results: Sequence[dict[str, Any]], base: Sequence[dict[str, Any]], spread: float) -> float:
    """Of the difference between two mean accuracies, as shares: the larger of what other images and what other seeds
    would change. `spread` is the standard deviation over seeds of the difference to the base with the same seed, pooled
    over all variants.
    """
    difference = _share_right(results) - _share_right(base)
    return max(float(difference.std(ddof=1)) / math.sqrt(VALIDATION), spread / math.sqrt(len(results)))


def _share_right(results: Sequence[dict[str, Any]]) -> np.ndarray:
    """Of the trainings, for each validation image."""
    right = np.ones((len(results), VALIDATION))
    for row, result in zip(right, results, strict=True):
        row[result["wrong"]] = 0.0
    return right.mean(axis=0)


def report(results: Sequence[dict[str, Any]]) -> None:
    runs = {variant: found for variant in VARIANTS if (found := of_variant(results, variant))}
    base = runs[next(iter(VARIANTS))]
    differences = [
        [own - its for own, its in zip(_accuracies(found), _accuracies(base), strict=False)]
        for found in runs.values()
        if found is not base
    ]
    variances = [statistics.variance(of_seeds) for of_seeds in differences if len(of_seeds) > 1]
    spread = math.sqrt(statistics.fmean(variances)) if variances else 0.0
    rows = []
    for variant, found in runs.items():
        accuracies = _accuracies(found)
        each = ", ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies)
        gain = statistics.fmean(accuracies) - statistics.fmean(_accuracies(base))
        error = standard_error(found, base, spread) if found is not base else 0.0
        drawings = 1.0 - statistics.fmean(result["drawings_wrong"] for result in found) / DRAWINGS
        rows.append(
            [
                variant,
                f"**{100 * statistics.fmean(accuracies):.2f}** ({each})",
                "" if found is base else f"{100 * gain:+.2f} ± {100 * error:.2f}",
                "" if found is base else _verdict(gain, error),
                f"{100 * drawings:.2f}",
                f"{statistics.fmean(result['cpu_per_pass'] for result in found):.1f}",
            ]
        )
    values = settings(next(iter(VARIANTS)), 0)
    write_table(
        "Ablation of the accurate preset",
        [
            "what is changed",
            "validation accuracy, % (each seed)",
            "difference, points ± standard error",
            "beyond the noise",
            "drawings, %",
            "CPU-s a pass",
        ],
        rows,
        note=f"The accurate preset, but with {values['model']}, {values['epochs']} passes over {values['limit']:,} "
        f"images and weights averaged with {values['ema']}; {SEEDS} seeds, {VALIDATION:,} validation images, "
        f"{DRAWINGS:,} new drawings in the styles of the training. From seed to seed, a difference to the short recipe "
        f"with the same seed varies by {100 * spread:.2f} points (standard deviation, pooled). The standard error is "
        "the larger of what other images and what other seeds would change; beyond the noise is what exceeds two of "
        f"them, as about one of {len(runs) - 1} comparisons would by chance. Made by `make bench-ablation`; no test "
        "image was looked at. A recipe this short underrates what pays over many passes: bent images, dropout, "
        "averaged weights.",
    )


def _accuracies(results: Sequence[dict[str, Any]]) -> list[float]:
    return [1.0 - len(result["wrong"]) / VALIDATION for result in results]


def _verdict(gain: float, error: float) -> str:
    if abs(gain) <= 2 * error:
        return "no"
    return "better" if gain > 0 else "worse"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", default="", metavar="VARIANT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS, help="appended to; what it has is not trained again")
    parser.add_argument("--only-report", action="store_true", help="write the table of what the file has")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child, options.seed)))
        return
    if not options.only_report:
        for seed in range(SEEDS):
            for variant in VARIANTS:
                _once(variant, seed, options.results)
    report(known(options.results))


def _once(variant: str, seed: int, path: Path) -> None:
    if any(result["settings"] == settings(variant, seed) for result in known(path)):
        return
    result = measure(variant, seed)
    with path.open("a") as file:
        file.write(json.dumps(result) + "\n")
    print(f"{variant}, seed {seed}: {100 * _accuracies([result])[0]:.2f} %", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
