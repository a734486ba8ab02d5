"""The dashboard's process stays small: what trains and what launches on AWS lives in processes of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("tensorflow", "keras", "mlflow", "sagemaker", "wandb", "onnx", "onnxruntime", "sklearn", "grpc", "optuna")


def test_no_page_loads_what_only_other_processes_need(tmp_path: Path) -> None:
    """Every page is opened once in a fresh interpreter; then it is asked what it has imported."""
    code = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "from app.navigation import ENTRIES\n"
        "app = AppTest.from_file('app/main.py', default_timeout=60).run()\n"
        "for entry in ENTRIES:\n"
        "    app.switch_page(entry.file).run()\n"
        "    assert not app.exception, app.exception\n"
        f"print(sorted({{name.split('.')[0] for name in sys.modules}} & set({HEAVY})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DIGITS_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"
