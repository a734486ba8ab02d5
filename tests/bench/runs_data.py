"""The same made-up runs for three programs: W&B's files, MLflow's database, trackio's.

`python -m tests.bench.runs_data {wandb,mlflow,trackio} FOLDER RUNS`, each with an interpreter that has the program:
only NumPy and the standard library are imported before it is known which.
"""

from __future__ import annotations

import sqlite3
import sys
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np

METRICS: Final = ("train/loss", "val/loss", "train/accuracy", "val/accuracy", "lr")
POINTS: Final = 2_000
PROJECT: Final = "bench"
_START: Final = 1_764_000_000


def name_of(run: int) -> str:
    return f"run-{run:04d}"


def learning_rate(run: int) -> float:
    """From 1e-4 to 1e-1, each run another."""
    return float(10 ** (-4 + 3 * (run * 0.618_033_988_75 % 1)))


def curves(run: int) -> np.ndarray:
    """Float64 [POINTS, 5]: a training's losses, accuracies and learning rate, with noise."""
    rng = np.random.default_rng(run)
    steps = np.arange(POINTS)
    speed, best = rng.uniform(0.001, 0.01), rng.uniform(0.95, 0.995)
    loss = 2.3 * np.exp(-speed * steps) + 0.03 + rng.normal(0, 0.02, POINTS) * np.exp(-steps / POINTS)
    accuracy = best - 0.88 * np.exp(-1.5 * speed * steps) + rng.normal(0, 0.003, POINTS)
    rate = learning_rate(run) * (1 + np.cos(np.pi * steps / POINTS)) / 2
    return np.stack([loss, 1.1 * loss, accuracy, accuracy - 0.005, rate], axis=1)


def write_wandb(folder: Path, runs: int) -> None:
    """As W&B 0.31 leaves them when it is offline: a history row and the summary's change for every step."""
    from tests.fakes.wandb_log import NOON, RunLog

    for run in range(runs):
        began = NOON + timedelta(minutes=run)
        config = {"lr": learning_rate(run)}
        with RunLog(folder / "wandb", name_of(run), began=began, project=PROJECT, config=config) as log:
            for row in curves(run).tolist():
                log.log(dict(zip(METRICS, row, strict=True)))
            log.exit()


def write_mlflow(folder: Path, runs: int) -> None:
    """Runs by MLflow's client, their histories straight into its tables: its client takes 20 minutes for them."""
    from mlflow import MlflowClient

    path = folder / "mlflow.db"
    client = MlflowClient(tracking_uri=f"sqlite:///{path}")
    experiment = client.create_experiment(PROJECT, artifact_location=str(folder / "artifacts"))
    database = sqlite3.connect(path)
    for run in range(runs):
        made = client.create_run(experiment, run_name=name_of(run))
        identity = made.info.run_id
        client.log_param(identity, "lr", learning_rate(run))
        client.set_terminated(identity)
        rows = curves(run)
        for column, metric in enumerate(METRICS):
            values = rows[:, column].tolist()
            database.executemany(
                "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
                [(metric, value, 1000 * (_START + step), identity, step) for step, value in enumerate(values)],
            )
            database.execute(
                "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, 0, ?)",
                (metric, values[-1], 1000 * (_START + POINTS - 1), POINTS - 1, identity),
            )
        database.commit()
    database.close()


def write_trackio(folder: Path, runs: int) -> None:
    """By trackio's own storage; `$TRACKIO_DIR` is the folder."""
    from trackio.sqlite_storage import SQLiteStorage

    for run in range(runs):
        rows = curves(run).tolist()
        SQLiteStorage.bulk_log(
            PROJECT,
            name_of(run),
            [dict(zip(METRICS, row, strict=True)) for row in rows],
            steps=list(range(POINTS)),
            config={"lr": learning_rate(run)},
        )


if __name__ == "__main__":
    {"wandb": write_wandb, "mlflow": write_mlflow, "trackio": write_trackio}[sys.argv[1]](
        Path(sys.argv[2]), int(sys.argv[3])
    )
