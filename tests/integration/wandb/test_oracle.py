"""Files of several versions of W&B's library, read by us and by its own `leet inspect`."""

from __future__ import annotations

import gzip
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import wandb

from backend.adapters.wandb.offline import OfflineRuns
from backend.domain.tracking import RunState
from tests.contract.serving_platforms import ROOT

FIXTURES = ROOT / "tests" / "fixtures" / "wandb"
VERSIONS = sorted(path.name.removesuffix(".wandb.gz") for path in FIXTURES.glob("*.wandb.gz"))
CORE = Path(wandb.__file__).parent / "bin" / "wandb-core"
KEY = "fixtures/old-run"
LIVE = """
import sys, time, wandb
run = wandb.init(id="live", project="p", settings=wandb.Settings(x_transaction_log_flush_interval=1.0))
for step in range(8):
    run.log({"logged_at": time.time()})
    time.sleep(0.5)
run.finish()
"""


def unpack(version: str, root: Path) -> Path:
    folder = root / "offline-run-20260102_030405-old-run"
    folder.mkdir(parents=True)
    log = folder / "run-old-run.wandb"
    log.write_bytes(gzip.decompress((FIXTURES / f"{version}.wandb.gz").read_bytes()))
    return log


def inspected(log: Path) -> dict[str, Any]:
    command = [str(CORE), "leet", "inspect", "--no-observability", "--summary", "--json", "--run-file", str(log)]
    done = subprocess.run([*command, str(log.parent)], capture_output=True, check=True, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_there_are_files_of_old_and_new_versions() -> None:
    assert len(VERSIONS) >= 4
    assert (VERSIONS[0], VERSIONS[-1]) == ("0.16.6", "0.31.0")


@pytest.mark.parametrize("version", VERSIONS)
def test_we_read_what_w_and_b_reads(version: str, tmp_path: Path) -> None:
    log = unpack(version, tmp_path / "runs")
    run = OfflineRuns([tmp_path / "runs"], tmp_path / "cache").get_run(KEY)
    theirs = inspected(log)
    assert run.config.items() >= theirs["config"].items()
    assert (run.id, run.name, run.project, list(run.tags), run.notes) == (
        theirs["run_id"],
        theirs["name"],
        theirs["project"],
        theirs["tags"],
        theirs["notes"],
    )
    assert (run.state.value, run.exit_code, run.last_step) == (theirs["state"], theirs["exit_code"], theirs["step"])
    assert run.created_at.isoformat()[:19] == theirs["start_time"][:19]
    for name, value in theirs["summary"].items():
        if name.startswith("_") or value == "NaN":  # clocks, and what JSON has no number for
            continue
        ours = run.summary[name]
        # 0.16 keeps what `define_metric` asked for as one value, newer ones as a nested one: both are told as written.
        assert ours == value, name
    assert math.isnan(run.summary["bad"])


@pytest.mark.parametrize("version", VERSIONS)
def test_rows_definitions_pictures_and_console_are_those_that_the_script_made(version: str, tmp_path: Path) -> None:
    unpack(version, tmp_path / "runs")
    runs = OfflineRuns([tmp_path / "runs"], tmp_path / "cache")
    run = runs.get_run(KEY)
    rows = runs.histories([KEY])[KEY]
    assert list(rows.steps) == list(range(21))
    assert list(rows.columns["loss"])[:20] == pytest.approx([1 / (step + 1) for step in range(20)])
    assert list(rows.columns["nested.deep"])[:20] == [float(2 * step) for step in range(20)]
    logged = [row for row, value in enumerate(rows.columns["val/accuracy"]) if value == value]
    assert logged == [4, 9, 14, 19]
    assert rows.not_numbers == {"bad": 1}
    assert (run.group, run.job_type, run.damaged, run.rows) == ("a-group", "train", 0, 21)
    assert run.stats["val/accuracy"].maximum == pytest.approx(0.86)
    definition = run.definition("val/accuracy")
    assert definition is not None
    assert (definition.step_metric, definition.summaries) == ("epoch", ("max",))
    (picture,) = runs.media(KEY)
    assert (picture.metric, picture.step, picture.width, picture.caption) == ("picture", 20, 4, "black")
    assert "printed by the run" in [line.text for line in runs.console(KEY).lines]


def test_a_live_run_is_seen_within_a_second_and_a_half(tmp_path: Path) -> None:
    environment = {**os.environ, "WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "WANDB_DIR": str(tmp_path)}
    runs = OfflineRuns([tmp_path], tmp_path / "cache")
    writer = subprocess.Popen([sys.executable, "-c", LIVE], env=environment, stdout=subprocess.DEVNULL)
    seen: dict[int, float] = {}
    states = set()
    try:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and RunState.FINISHED not in states:
            for run in runs.list_runs().runs:
                states.add(run.state)
                column = runs.histories([run.key])[run.key].columns.get("logged_at", ())
                for row in range(len(seen), len(column)):
                    seen[row] = time.time() - column[row]
            time.sleep(0.05)
    finally:
        writer.kill()
        writer.wait()
    assert {RunState.RUNNING, RunState.FINISHED} <= states
    assert len(seen) == 8
    # W&B's own flush is a second apart; this machine may be busy: the median is ours, a straggler is not.
    assert sorted(seen.values())[4] < 1.5, seen
