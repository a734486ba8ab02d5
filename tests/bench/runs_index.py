"""`python -m tests.bench.runs_index`: how much CPU time it takes to list and to open runs in W&B's files.

The files are written as W&B 0.31 writes them. Each reading has a process of its own, and CPU seconds of all its threads
are taken, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.bench.report import ROOT, write_table

RUNS: Final = 1_000
ROWS: Final = 178
LONG_ROWS: Final = 100_000
METRICS: Final = tuple(f"train/metric_{number}" for number in range(5))


def make(folder: Path) -> dict[str, float]:
    """1,000 runs and a long one; says how many MB they have."""
    from tests.fakes.wandb_log import NOON, RunLog

    dice = Random(0)  # noqa: S311 - not for secrets
    for number in range(RUNS):
        began = NOON + timedelta(minutes=number)
        with RunLog(folder / "many", f"r{number}", began=began, config={"lr": number / RUNS}) as log:
            for _ in range(ROWS):
                log.log({name: dice.random() for name in METRICS})
            log.exit()
    with RunLog(folder / "long", "long", config={"lr": 0.1}) as log:
        for _ in range(LONG_ROWS):
            log.log({name: dice.random() for name in METRICS})
        log.exit()
    return {
        place: sum(path.stat().st_size for path in (folder / place).rglob("*.wandb")) / 1e6
        for place in ("many", "long")
    }


def child(folder: Path) -> dict[str, Any]:
    """What this process sees of the files, with or without what an earlier one kept."""
    from backend.adapters.wandb.offline import OfflineRuns

    many = OfflineRuns([folder / "many"], folder / "cache-many")
    listed, page = _cpu(many.list_runs)
    again, _ = _cpu(many.list_runs)
    token, _ = _cpu(many.token)
    keys = [run.key for run in page.runs[:200]]
    read, _ = _cpu(lambda: many.histories(keys))
    reread, _ = _cpu(lambda: many.histories(keys))
    long = OfflineRuns([folder / "long"], folder / "cache-long")
    opened, _ = _cpu(lambda: long.get_run("digit_classification/long"))
    rows, found = _cpu(lambda: long.histories(["digit_classification/long"]))
    if page.total != RUNS or len(found["digit_classification/long"]) != LONG_ROWS:
        raise SystemExit(f"read {page.total} runs and {found} rows")
    return {
        "list": listed,
        "list again": again,
        "token": token,
        "200 histories": read,
        "200 histories again": reread,
        "open the long run": opened + rows,
    }


def _cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    answer = work()
    return time.process_time() - begun, answer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", type=Path)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child)))
        return
    with tempfile.TemporaryDirectory(prefix="digits-runs-") as name:
        folder = Path(name)
        sizes = make(folder)
        first, second = _measure(folder), _measure(folder)
    write_table(
        "Runs: listing and opening W&B's files",
        ["what", "CPU ms, nothing kept", "CPU ms, in a new process later"],
        [[what, f"{1000 * first[what]:.0f}", f"{1000 * second[what]:.0f}"] for what in first],
        note=f"{RUNS:,} runs of {ROWS} rows and {len(METRICS)} metrics ({sizes['many']:.0f} MB), and a long one of "
        f"{LONG_ROWS:,} rows ({sizes['long']:.0f} MB).",
    )


def _measure(folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.runs_index", "--child", str(folder)]
    answer: dict[str, float] = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
    return answer


if __name__ == "__main__":
    main()
