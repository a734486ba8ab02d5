"""The platforms that the serving contract is run against."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.local.external_server import ExternalTriton
from backend.adapters.sagemaker import stage_lock
from backend.domain.serving import ServedModel, Stage
from backend.errors import StageBusyError
from backend.ports.serving import ServingPlatform
from tests.contract import real_serving
from tests.contract.meddling import Meddler
from tests.contract.running_triton import ROOT, SERVING_ENV, RunningTriton
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.hosted import LEASE_S, serve_past, serving_on
from tests.fakes.serving import FakeServing

__all__ = ["Bench", "bench"]

_HOLD = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from backend.domain.serving import Stage
{imports}
with {platform}.hold(Stage(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A platform, and the Python that makes the same platform in another process."""

    platform: ServingPlatform
    imports: str
    expression: str
    load_past: Callable[[Stage, ServedModel, Path], None]
    """Load another archive past all deployments."""
    url: str = "http://127.0.0.1:"
    """How the address of an endpoint begins; empty where there is none to call."""
    unmeasured: frozenset[str] = frozenset()
    """What its server does not tell."""
    lease_s: float = 0.0
    """How long a holder that died keeps the stage; 0 where the kernel sees it die."""

    def hold_elsewhere(self, stage: Stage, holder: str) -> subprocess.Popen[str]:
        """Another process that holds the stage (for a minute at most); returns when it does."""
        code = _HOLD.format(imports=self.imports, platform=self.expression)
        process = subprocess.Popen(
            [sys.executable, "-c", code, stage.value, holder], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    def hold_when_let_go(self, stage: Stage, holder: str) -> None:
        """Hold the stage once whoever died has lost it, within its lease and the clock's resolution of a second."""
        deadline = time.monotonic() + (self.lease_s and self.lease_s + 2.0)
        while True:
            try:
                with self.platform.hold(stage, holder):
                    return
            except StageBusyError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.05)

    def wait_until(self, condition: Callable[[], bool], seconds: float = 15.0) -> None:
        patience = float(os.environ.get("DIGITS_TEST_PATIENCE", "1"))
        deadline = time.monotonic() + seconds * patience
        while not condition():
            assert time.monotonic() < deadline, self.platform.describe(Stage.STAGING)
            time.sleep(0.02 * patience)


@pytest.fixture(
    params=[
        "fake",
        pytest.param("sagemaker", marks=pytest.mark.processes),
        pytest.param("local", marks=pytest.mark.triton),
        pytest.param("external", marks=pytest.mark.triton),
        pytest.param("aws", marks=pytest.mark.aws),
    ]
)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Nothing is deployed on it."""
    if request.param == "fake":
        fake = FakeServing(tmp_path)
        yield Bench(
            platform=fake,
            load_past=fake.load_past,
            imports="from tests.fakes.serving import FakeServing",
            expression=f"FakeServing(Path({str(tmp_path)!r}))",
        )
        return
    if request.param == "sagemaker":
        aws: FakeAws = request.getfixturevalue("aws")
        yield Bench(
            platform=serving_on(aws.account, tmp_path),
            load_past=lambda stage, model, archive: serve_past(aws.account, tmp_path, stage, model, archive),
            imports="from tests.fakes.aws.hosted import serving_on\nfrom tests.fakes.aws.account import account_at",
            expression=f"serving_on(account_at({aws.server.url!r}), Path({str(tmp_path)!r}))",
            url="",
            unmeasured=frozenset({"mean_batch", "queue_ms"}),
            lease_s=LEASE_S,
        )
        return
    if request.param == "aws":
        yield from _real_bench(real_serving.Corner(tmp_path), tmp_path)
        return
    if request.param == "external":
        with RunningTriton(tmp_path / "container", EndpointFolder(tmp_path, Stage.STAGING).repository.root) as triton:
            yield from _local_bench(tmp_path, {Stage.STAGING: triton.as_external}, f"{{{triton.expression}}}")
        return
    yield from _local_bench(tmp_path, {}, "{}")


def _real_bench(corner: real_serving.Corner, folder: Path) -> Iterator[Bench]:
    yield Bench(
        platform=corner.serving,
        load_past=corner.load_past,
        imports="from tests.contract import real_serving",
        expression=f"real_serving.serving_of({corner.mark!r}, Path({str(folder)!r}))",
        url="",
        unmeasured=frozenset({"mean_batch", "queue_ms"}),
        lease_s=stage_lock.LEASE_S,
    )
    corner.close()


def _local_bench(tmp_path: Path, external: Mapping[Stage, ExternalTriton], expression: str) -> Iterator[Bench]:
    local = LocalEndpoints(tmp_path, SERVING_ENV, lambda: datetime.now(UTC), external)
    yield Bench(
        platform=local,
        load_past=lambda stage, model, archive: Meddler(tmp_path, stage).load(model, archive),
        imports="from backend.adapters.local.endpoints import LocalEndpoints\n"
        "from backend.adapters.local.external_server import ExternalTriton",
        expression=f"LocalEndpoints(Path({str(tmp_path)!r}), Path({str(SERVING_ENV)!r}), "
        f"lambda: datetime.now(UTC), {expression})",
    )
    for stage in Stage:
        local.delete(stage)
