"""What holds for every test."""

from __future__ import annotations

import os

import pytest

# The tests' own ONNX Runtime sessions report to nobody either; read once, at its first import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of a real AWS account cost money: only `-m aws` runs them, never another expression by accident."""
    if "aws" in str(config.option.markexpr).split():
        return
    costly = [item for item in items if item.get_closest_marker("aws")]
    if costly:
        config.hook.pytest_deselected(items=costly)
        items[:] = [item for item in items if not item.get_closest_marker("aws")]
