"""`python -m tests.bench.tuning [--trials N]`: a search on the platform beside plain Optuna, in one run.

Both draw the same values with the same seed and call the same trainer. Plain Optuna does it in one process, one trial
after the other, as a notebook would: TensorFlow is imported once, nothing survives the process. On the platform every
trial is a job of its own, with a log, a W&B run, checkpoints and a model archive, and two run at once.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from backend.domain.search_space import parse_space
from backend.domain.training import resolve
from tests.bench.report import ROOT, write_table

SPACE: Final = ("lr=log(1e-3,3e-2)", "batch_size=64,128,256")
SHARED: Final = {"limit": 20_000, "epochs": 3, "dataset": "mnist"}
PARALLEL: Final = 2


def plain_optuna(trials: int) -> dict[str, Any]:
    """All trials in this process; the trainer's own metric lines go to standard output before the answer."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import optuna

    from backend.digits.config import TrainConfig
    from backend.digits.container import Folders, StopSignal
    from backend.digits.tracking import Tracker
    from backend.digits.train import train_and_evaluate

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    began = time.monotonic()

    def objective(trial: optuna.Trial) -> float:
        values: dict[str, Any] = {
            **resolve("fast", SHARED),
            "lr": trial.suggest_float("lr", 1e-3, 3e-2, log=True),
            "batch_size": trial.suggest_categorical("batch_size", (64, 128, 256)),
        }
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            folders = Folders.from_environ(
                {
                    "SM_MODEL_DIR": str(root / "model"),
                    "SM_OUTPUT_DIR": str(root / "output"),
                    "SM_OUTPUT_DATA_DIR": str(root / "output" / "data"),
                    "DIGITS_CHECKPOINTS": str(root / "checkpoints"),
                }
            )
            tracker = Tracker({"WANDB_MODE": "disabled"}, lambda _: None)
            result = train_and_evaluate(TrainConfig(**values), folders, tracker, StopSignal())
        return float(result.curves[-1].val_accuracy)

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=trials)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "wall": time.monotonic() - began,
        "cpu": usage.ru_utime + usage.ru_stime,
        "best": study.best_value,
        "done": sum(trial.state.is_finished() for trial in study.trials),
        "saved": 0,
    }


def platform(trials: int, *options: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "DIGITS_HOME": home, "DIGITS_MAX_PARALLEL_JOBS": str(PARALLEL)}
        command = [sys.executable, "-m", "backend", "tune", "--strategy", "Random", "--seed", "0", *options]
        command += ["--max-jobs", str(trials), "--max-parallel", str(PARALLEL), "--wait", "--json"]
        command += [word for text in SPACE for word in ("--space", parse_space(text).text)]
        command += [word for name, value in SHARED.items() for word in ("--set", f"{name}={value}")]
        before = _cpu_of_everybody()
        began = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, text=True)
        wall = time.monotonic() - began
        answer = json.loads(done.stdout)
    return {
        "wall": wall,
        "cpu": _cpu_of_everybody() - before,
        "best": answer["best_trial"]["value"],
        "done": len(answer["trials"]),
        "saved": answer["epochs_saved"],
    }


def _cpu_of_everybody() -> float:
    """CPU seconds that the machine has spent working: trials are no children of this process."""
    user, nice, system = (int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", action="store_true")
    parser.add_argument("--trials", type=int, default=12)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(plain_optuna(options.trials)))
        return
    command = [sys.executable, "-m", "tests.bench.tuning", "--child", "--trials", str(options.trials)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    results = {
        "plain Optuna, one process": json.loads(done.stdout.splitlines()[-1]),
        f"tune, {PARALLEL} parallel": platform(options.trials),
        f"tune, {PARALLEL} parallel, early stopping": platform(options.trials, "--early-stopping"),
    }
    plain = results["plain Optuna, one process"]
    write_table(
        "Tuning: the platform beside plain Optuna",
        ["search", "trials", "s in all", "of plain", "CPU-s in all", "s a trial", "best val. accuracy", "epochs saved"],
        [
            [
                name,
                str(result["done"]),
                f"{result['wall']:.0f}",
                f"{result['wall'] / plain['wall']:.2f}",
                f"{result['cpu']:.0f}",
                f"{result['wall'] / result['done']:.1f}",
                f"{result['best']:.4f}",
                f"{result['saved']:g}",
            ]
            for name, result in results.items()
        ],
        note=f"The same {options.trials} draws of {' and '.join(SPACE)}, preset fast with "
        f"{', '.join(f'{name}={value}' for name, value in SHARED.items())}. The platform's CPU seconds are the whole "
        "machine's; its trials import TensorFlow each, record a W&B run and leave an archive.",
    )


if __name__ == "__main__":
    main()
