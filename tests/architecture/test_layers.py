"""The house keeps its shape: arrows point down, files stay small, edges stay at the edge."""

from __future__ import annotations

import ast
import functools
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE = 400
ROOMS = ("app", "pages", "backend", "tests", ".ci")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "node_modules" not in path.parts)
SOURCES = [path for path in FILES if path.relative_to(ROOT).parts[0] in ("app", "pages", "backend")]

# What a room may import of ours. A longer prefix is a narrower room.
MAY_IMPORT = {
    "pages": ("app", "backend.domain", "backend.errors", "backend.services", "backend.ports"),
    "app": ("app", "backend"),
    "app.components": ("app.components", "app.state", "app.theme", "backend.domain", "backend.errors"),
    "backend": (),
    "backend.domain": ("backend.domain", "backend.errors"),
    "backend.errors": (),
    "backend.settings": ("backend.domain", "backend.errors"),
    "backend.ports": ("backend.ports", "backend.domain", "backend.errors"),
    "backend.services": ("backend.services", "backend.ports", "backend.domain", "backend.errors", "backend.digits"),
    "backend.digits": ("backend.digits",),
    "backend.adapters": ("backend.adapters", "backend.ports", "backend.domain", "backend.errors", "backend.digits"),
    "backend.bootstrap": ("backend",),
    "backend.assembly": (
        "backend.wiring",
        "backend.adapters",
        "backend.services",
        "backend.ports",
        "backend.domain",
        "backend.errors",
        "backend.settings",
    ),
    "backend.wiring": (
        "backend.wiring",
        "backend.adapters",
        "backend.ports",
        "backend.domain",
        "backend.errors",
        "backend.settings",
    ),
    "backend.cli": ("backend",),
    "backend.__main__": ("backend.cli",),
}
LIGHT_DIGITS = {
    f"backend.digits.{name}"
    for name in ("normalise", "preprocess", "plausible", "strokes", "known_digits", "metric_lines", "triton_config")
}
"""The part of the training package that the product may import: standard library, NumPy and Pillow only."""

FOREIGN = {
    "streamlit": ("app", "pages"),
    "sqlalchemy": ("backend.adapters.local",),
    "sqlite3": ("backend.adapters.local",),
    "optuna": ("backend.adapters.local",),
    "tritonclient": ("backend.adapters.triton",),
    "boto3": ("backend.adapters.sagemaker", "backend.digits.s3_files"),
    "botocore": ("backend.adapters.sagemaker", "backend.digits.s3_files"),
    "sagemaker": ("backend.adapters.sagemaker.launcher",),
    "wandb": ("backend.digits", "backend.adapters.wandb.cloud_worker"),
    "tensorflow": ("backend.digits",),
    "keras": ("backend.digits",),
    "scipy": ("backend.domain.statistics",),
    "pydantic": ("backend.settings", "backend.wiring.environment"),
    "pydantic_settings": ("backend.settings",),
}
STDLIB_ONLY = ("backend.domain", "backend.errors")
PURE_ENOUGH = {"backend.domain.statistics": {"scipy.stats"}}
"""A function of three numbers, with exact tails that nobody should write again; imported only when it is called."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def imports_of(path: Path) -> set[str]:
    """Every module the file imports, wherever in it; relative imports made absolute."""
    module = module_of(path)
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]) if base else ".".join(above)
            # `from package import module` names the module only in its second half.
            found |= {f"{base}.{alias.name}" for alias in node.names if is_module(f"{base}.{alias.name}")} or {base}
    return found


def is_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def within(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_arrows_point_down(path: Path) -> None:
    module = module_of(path)
    room = max((room for room in MAY_IMPORT if within(module, room)), key=len)
    ours = {name for name in imports_of(path) if name.split(".")[0] in ("app", "pages", "backend", "tests")}
    wrong = {name for name in ours if not any(within(name, allowed) for allowed in MAY_IMPORT[room])}
    assert not wrong, f"{module} may not import {sorted(wrong)}"
    if room != "backend.digits":
        heavy = {name for name in ours if within(name, "backend.digits")} - LIGHT_DIGITS
        assert not heavy, f"{module} may not import {sorted(heavy)}"


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_foreign_libraries_stay_where_they_belong(path: Path) -> None:
    module = module_of(path)
    for name in imports_of(path):
        homes = FOREIGN.get(name.split(".")[0])
        assert homes is None or any(within(module, home) for home in homes), f"{module} may not import {name}"


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if any(within(module_of(p), room) for room in STDLIB_ONLY)], ids=module_of
)
def test_the_domain_is_pure(path: Path) -> None:
    for name in imports_of(path) - PURE_ENOUGH.get(module_of(path), set()):
        assert name.split(".")[0] in {*sys.stdlib_module_names, "backend"}, f"{module_of(path)} imports {name}"


@pytest.mark.parametrize(
    "path", [ROOT / (name.replace(".", "/") + ".py") for name in sorted(LIGHT_DIGITS)], ids=module_of
)
def test_the_shared_part_of_the_training_package_is_light(path: Path) -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "PIL", "backend"}
    assert {name.split(".")[0] for name in imports_of(path)} <= allowed
    assert {name for name in imports_of(path) if within(name, "backend")} <= {*LIGHT_DIGITS, "backend.digits"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_small_and_named_for_what_they_do(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE
    assert path.stem not in ("utils", "helpers", "common", "misc")


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_who_imports_onnx_runtime_silences_it_first(path: Path) -> None:
    """Its telemetry is on by default; the embedded server's copy is silenced by the environment it is started with."""
    text = path.read_text()
    found = re.search(r"^\s*import onnxruntime", text, re.MULTILINE)
    if found is None or path.parent.name == "backend_onnxruntime":
        return
    assert 'os.environ["ORT_DISABLE_TELEMETRY"] = "1"' in text[: found.start()]


def test_a_platform_is_never_asked_for_by_name() -> None:
    asking = [module_of(path) for path in SOURCES if re.search(r"(?<!sys\.)\bplatform ==", path.read_text())]
    assert [name for name in asking if name != "backend.bootstrap"] == []
