"""What the tests of W&B's files look with."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.adapters.wandb.offline import OfflineRuns
from backend.domain.tracking import Run

KEY = "digit_classification/a"
LOUD = "x" * 700
"""Makes a row long, so that few rows fill a block."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


@pytest.fixture
def runs(root: Path, tmp_path: Path) -> OfflineRuns:
    return OfflineRuns([root], tmp_path / "cache")


def only(runs: OfflineRuns) -> Run:
    (run,) = runs.list_runs().runs
    return run


def loss(runs: OfflineRuns, key: str = KEY) -> list[float]:
    return list(runs.histories([key])[key].columns.get("loss", ()))
