"""`python -m tests.bench.training [--seeds N]`: every preset beside the older project's loop, in one run.

Each training has a process of its own. The clock (wall, and CPU of all threads) runs from the first preparation of the
data to the last step; what importing, reading the file and measuring cost is left out, for all alike. The accuracy on
the test set is taken every two seconds on the way, of large networks less often, and decides nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from backend.domain.training import PRESETS, resolve
from tests.bench.report import ROOT, write_table

GOALS: Final = (0.984, 0.990, 0.994)
REFERENCE_PASSES: Final = 5
REFERENCE: Final = "the older project's loop"
_EVERY: Final = 2.0


class Clock:
    """Seconds of wall and CPU since the start, without those spent measuring."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def read(self) -> tuple[float, float]:
        return time.monotonic() - self._wall, time.process_time() - self._cpu

    def leave_out(self, since: tuple[float, float]) -> None:
        wall, cpu = self.read()
        self._wall += wall - since[0]
        self._cpu += cpu - since[1]


def child(recipe: str, seed: int) -> dict[str, Any]:
    """Train one recipe in this process and say how it went."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import numpy as np
    import tensorflow as tf

    from backend.digits import dataset, fitting, freehand, model
    from backend.digits.config import TrainConfig
    from backend.digits.normalise import normalise

    preset = "reference" if recipe == REFERENCE else recipe
    settings: dict[str, Any] = resolve(preset, {"seed": seed, "dataset": "mnist"})
    config = TrainConfig(**settings)
    data = dataset.load(config.dataset, validation_size=config.validation_size, notify=lambda _: None)
    if recipe == REFERENCE:
        keras.utils.set_random_seed(seed)  # the kernels that make a training repeatable are slower: it had others
    else:
        fitting.make_reproducible(seed)
    network: keras.Model = model.build(config.model, dropout=config.dropout, precision=config.train_precision)
    forward = tf.function(lambda images: network(images, training=False))

    def share_right(images: Any, labels: Any) -> float:
        batches = [forward(normalise(images[start : start + 500])) for start in range(0, len(images), 500)]
        return float((np.concatenate(batches).argmax(axis=1) == labels).mean())

    def accuracy() -> float:
        return share_right(data.test_images, data.test_labels)

    share_right(data.test_images[:500], data.test_labels[:500])  # traced before the clock runs
    seen: list[tuple[float, float, float]] = []
    clock = Clock()

    cost = 0.0

    def look(*_: object) -> None:
        nonlocal cost
        now = clock.read()
        # A large network's looks take longer than its steps: a fifth of the time is enough for them.
        if not seen or now[0] - seen[-1][0] >= max(_EVERY - 0.1, 4.0 * cost):
            seen.append((*now, accuracy()))
            cost = clock.read()[0] - now[0]
            clock.leave_out(now)

    passes = _train(recipe, config, data, network, look)
    wall, cpu = clock.read()
    seen.append((wall, cpu, accuracy()))
    drawings = freehand.held_out()
    return {
        "recipe": recipe,
        "seed": seed,
        "wall_per_pass": wall / passes,
        "cpu_per_pass": cpu / passes,
        "wall": wall,
        "cpu": cpu,
        "reached": [next(([w, c] for w, c, value in seen if value >= goal), None) for goal in GOALS],
        "accuracy": seen[-1][2],
        "freehand": share_right(*drawings),
        "peak_mb": _peak_mb(),
    }


def _train(recipe: str, config: Any, data: Any, network: Any, look: Callable[..., None]) -> float:
    from backend.digits import fitting
    from backend.digits.progress import Listener
    from backend.digits.train import mixed
    from tests.bench import reference_loop

    if recipe != REFERENCE:
        fitting.fit(network, data, mixed(data, config), config, Listener(report=look))
        return float(config.epochs)
    reference_loop.train(network, data, REFERENCE_PASSES, look)
    return float(REFERENCE_PASSES)


def _peak_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(recipe: str, seed: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.training", "--child", recipe, "--seed", str(seed)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(answer), file=sys.stderr, flush=True)
    return answer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--accurate-seeds", type=int, default=3, help="of the slowest preset")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child, options.seed)))
        return
    recipes = [REFERENCE, *(name for name in PRESETS if name != "reference")]
    runs: dict[str, list[dict[str, Any]]] = {}
    for seed in range(options.seeds):
        for recipe in recipes if seed == 0 else recipes[1:]:
            if recipe != "accurate" or seed < options.accurate_seeds:
                runs.setdefault(recipe, []).append(measure(recipe, seed))
    report(runs)


def report(runs: dict[str, list[dict[str, Any]]]) -> None:
    reference = runs[REFERENCE][0]
    rows = []
    for recipe, results in runs.items():
        first = results[0]
        rows.append(
            [
                recipe,
                f"{first['wall_per_pass']:.1f}",
                f"{_mean(results, 'cpu_per_pass'):.1f}",
                *(_reached(first["reached"][number], reference["reached"][number]) for number in range(len(GOALS))),
                f"{first['wall']:.0f}",
                f"{first['wall'] / reference['wall_per_pass']:.2f}",
                f"{_mean(results, 'cpu') / reference['cpu_per_pass']:.2f}",
                _accuracies(results, "accuracy"),
                _accuracies(results, "freehand"),
                f"{max(result['peak_mb'] for result in results):.0f}",
            ]
        )
    write_table(
        "Training: the presets beside the older project's loop",
        [
            "recipe",
            "s a pass",
            "CPU-s a pass",
            *(f"s (CPU-s) to {goal:.1%}" for goal in GOALS),
            "s in all",
            "in passes of the older loop",
            "the same in CPU time",
            "test accuracy, % (each seed)",
            "drawings, % (each seed)",
            "peak MB",
        ],
        rows,
        note=f"The older loop ran {REFERENCE_PASSES} passes with seed 0. Seconds of wall are of seed 0, which ran "
        "right after it; CPU seconds are means of all seeds. Times to an accuracy are those of seed 0, with how many "
        "times faster than the older loop. The drawings are in styles that no training saw.",
    )


def _mean(results: list[dict[str, Any]], key: str) -> float:
    return statistics.fmean(float(result[key]) for result in results)


def _accuracies(results: list[dict[str, Any]], key: str) -> str:
    each = ", ".join(f"{100 * result[key]:.2f}" for result in results)
    return f"**{100 * _mean(results, key):.2f}** ({each})"


def _reached(own: list[float] | None, reference: list[float] | None) -> str:
    if own is None:
        return "not reached"
    faster = f", {reference[0] / own[0]:.1f}x" if reference else ""
    return f"{own[0]:.1f} ({own[1]:.1f}){faster}"


if __name__ == "__main__":
    main()
