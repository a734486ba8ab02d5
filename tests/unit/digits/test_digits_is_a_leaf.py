"""The folder is shipped alone, and four of its modules are imported by the dashboard: both stay possible."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import backend.digits

FOLDER = Path(backend.digits.__file__).parent
REPOSITORY = FOLDER.parents[1]


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda file: file.name)
def test_nothing_of_the_product_is_imported(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not [alias.name for alias in node.names if alias.name.split(".")[0] in ("backend", "app", "pages")]
        if isinstance(node, ast.ImportFrom):
            assert node.level <= 1
            assert (node.module or "").split(".")[0] not in ("backend", "app", "pages")


def test_what_the_dashboard_imports_needs_only_numpy_and_pillow() -> None:
    script = (
        "import sys, backend.digits.normalise, backend.digits.preprocess, backend.digits.strokes, "
        "backend.digits.metric_lines\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & "
        "{'tensorflow', 'keras', 'sklearn', 'scipy', 'wandb', 'onnx', 'onnxruntime', 'pandas'}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
    )

    assert result.stdout.strip() == "[]"


def test_the_containers_pins_are_the_products_own() -> None:
    pins = {line.split("#")[0].strip() for line in _lines(FOLDER / "requirements.txt")} - {""}
    product = {line.strip() for line in _lines(REPOSITORY / "requirements.txt")}

    assert pins
    assert pins <= product


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
