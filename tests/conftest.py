"""What holds for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.server import Server
from tests.fakes.aws.zygote import Zygote

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


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Server]:
    """One for all tests of a process: it, its clients and what starts its launchers take seconds to make."""
    server = Server()
    yield server
    if server.launchers is not None:
        server.launchers.close()
    server.close()


@pytest.fixture
def launchers(aws_server: Server) -> Iterator[Zygote]:
    """Starts the product's launchers quickly; those that still run end with the test."""
    if aws_server.launchers is None:
        aws_server.launchers = Zygote()
    yield aws_server.launchers
    aws_server.launchers.end_all()


@pytest.fixture
def aws(aws_server: Server) -> Iterator[FakeAws]:
    """An account of the test's own, with nothing in it but the bucket."""
    fake = FakeAws(aws_server)
    fake.new()
    yield fake
    fake.training.reset()
    fake.tuning.reset()
    fake.serving.reset()
    assert not fake.server.defects, fake.server.defects
