"""The notebook's journey on this machine: real trainings, a real search, a real Triton."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from backend.adapters.local.database import Database
from backend.adapters.local.deployments import LocalDeployments
from backend.adapters.local.home import Home
from backend.domain.promotion import Outcome
from backend.domain.serving import Stage
from tests.contract.serving_platforms import ROOT

NOTEBOOK = ROOT / "notebooks" / "train_tune_deploy.ipynb"
LESS = {"limit": 8_000, "max_jobs": 2, "load_seconds": 1}


def test_the_notebook_is_committed_without_what_it_showed() -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]

    assert len(cells) >= 10
    assert [cell for cell in cells if cell.outputs or cell.execution_count] == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # of Jupyter's own client
def test_the_notebook_trains_tunes_deploys_and_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = next(number for number, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    assert all(f"{name} = " in notebook.cells[place].source for name in LESS), "a parameter has another name now"
    smaller = "\n".join(f"{name} = {value}" for name, value in LESS.items())
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(smaller))

    try:
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    finally:
        subprocess.run([sys.executable, "-m", "backend", "stop"], cwd=ROOT, env=os.environ, check=True)

    home = Home(tmp_path / "home")
    (deployment,) = LocalDeployments(Database(home.database)).history(Stage.STAGING)
    assert deployment.outcome is Outcome.SUCCEEDED
    said = _text(notebook)
    assert f"v{deployment.version}: 9" in said, "the best trial's accuracy is not above 90 %"
    speeds = next(cell for cell in notebook.cells if "load_test" in cell.source).outputs[0]["data"]["text/plain"]
    rows = [line.split() for line in speeds.splitlines()[1:]]
    assert [row[1] for row in rows] == ["1", "8", "32"]
    assert all(float(row[2]) > 0 and row[-1] == "0" for row in rows), speeds


def _text(notebook: nbformat.NotebookNode) -> str:
    outputs = (output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
    return "\n".join(str(output.get("text", output.get("data", ""))) for output in outputs)
