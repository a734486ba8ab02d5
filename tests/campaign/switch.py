"""One switch and one rollback of prod while somebody else asks it 400 times a second.

`python -m tests.campaign.switch` writes what was seen to `docs/reliability.md`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.triton.load import TritonLoad
from backend.domain.loadtest import Shot, quantile
from backend.domain.promotion import Deployment, Outcome
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from tests.bench.report import write_section
from tests.contract.serving_platforms import ROOT, SERVING_ENV
from tests.fakes.backend import World, make_world

RELIABILITY = ROOT / "docs" / "reliability.md"
PER_SECOND = 400
REQUESTS = 10_000
STAGE = Stage.PROD


@dataclass(frozen=True, kw_only=True)
class Switch:
    """One change from version `old` to `new`, as the client outside saw it.

    `seconds` from the command to its end; `until_served` from the command to the first answer of `new`.
    `stale` counts answers of `old` that were asked for after an answer of `new` had arrived: none, if it was clean.
    """

    old: int
    new: int
    outcome: Outcome
    seconds: float
    until_served: float
    p99_ms: float
    worst_ms: float
    stale: int


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What the load saw in all: `versions` in the order of sending, repetitions left out."""

    requests: int
    failures: Sequence[str]
    versions: Sequence[int]
    p99_before_ms: float
    switches: Sequence[Switch]


def prove(home: Path, requests: int) -> Proof:
    """Serve version 1 at prod, then switch to 2 and roll back to 1 in the first and last third of the load."""
    endpoints = LocalEndpoints(home, SERVING_ENV)
    world = make_world(home, endpoints, TritonLoad())
    for number in (1, 2):
        world.add_job(f"job-{number}", sharpness=number)
        world.backend.registration.register_job(f"job-{number}", actor=world.backend.actor)
        world.backend.registration.decide(number, Approval.APPROVED, actor=world.backend.actor)
    try:
        assert _promote(world, 1).outcome is Outcome.SUCCEEDED
        return _under_load(world, endpoints.describe(STAGE).url, requests)
    finally:
        endpoints.delete(STAGE)


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        proof = prove(Path(home), REQUESTS)
    rows = {
        "requests, from a process of its own": f"{proof.requests:,} at {PER_SECOND} a second",
        "failed": f"{len(proof.failures)}",
        "versions that answered, in the order of asking": " → ".join(f"v{version}" for version in proof.versions),
        "p99 before": f"{proof.p99_before_ms:.1f} ms",
    }
    for name, seen in zip(("switch", "rollback"), proof.switches, strict=True):
        rows[f"{name} v{seen.old} → v{seen.new}"] = (
            f"{seen.outcome.value} in {seen.seconds:.2f} s, first answer of v{seen.new} after {seen.until_served:.2f} s"
        )
        rows[f"{name}: p99 and worst meanwhile"] = f"{seen.p99_ms:.1f} ms, {seen.worst_ms:.1f} ms"
        rows[f"{name}: old answers after the first new one"] = f"{seen.stale}"
    if not RELIABILITY.is_file():
        RELIABILITY.write_text("# Reliability\n\nMade by `make campaign`.\n")
    write_section("Switching under load", rows, path=RELIABILITY)


def _under_load(world: World, url: str, requests: int) -> Proof:
    command = [sys.executable, "-m", "tests.campaign.open_loop", url, str(PER_SECOND), str(requests)]
    third = requests / PER_SECOND / 3
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "begun\n"
        try:
            time.sleep(third)
            switched, first = _timed(lambda: _promote(world, 2))
            time.sleep(third)
            rolled_back, second = _timed(lambda: world.backend.promotion.roll_back(STAGE, actor=world.backend.actor))
            rows = json.loads(client.communicate(timeout=60)[0])
        finally:
            client.kill()
    shots = [Shot(due=row[0], sent=row[1], done=row[2], version=row[3], failure=row[4]) for row in rows]
    shots.sort(key=lambda shot: shot.sent)
    middle = (first[1] + second[0]) / 2
    answered = [shot for shot in shots if not shot.failure]
    return Proof(
        requests=len(shots),
        failures=[shot.failure for shot in shots if shot.failure],
        versions=[answered[0].version, *(b.version for a, b in pairwise(answered) if a.version != b.version)],
        p99_before_ms=_p99([shot for shot in answered if shot.done < first[0]]),
        switches=[
            _seen(switched, 1, first, [shot for shot in answered if shot.sent < middle]),
            _seen(rolled_back, 2, second, [shot for shot in answered if shot.sent >= middle]),
        ],
    )


def _seen(deployment: Deployment, old: int, span: tuple[float, float], answered: Sequence[Shot]) -> Switch:
    new = deployment.version
    first_new = min((shot.done for shot in answered if shot.version == new), default=float("inf"))
    window = [shot for shot in answered if span[0] <= shot.done and shot.due <= span[1]]
    return Switch(
        old=old,
        new=new,
        outcome=deployment.outcome,
        seconds=span[1] - span[0],
        until_served=first_new - span[0],
        p99_ms=_p99(window),
        worst_ms=max(shot.latency_ms for shot in window),
        stale=sum(shot.version == old and shot.sent > first_new for shot in answered),
    )


def _promote(world: World, version: int) -> Deployment:
    return world.backend.promotion.promote(STAGE, version, actor=world.backend.actor)


def _timed(change: Callable[[], Deployment]) -> tuple[Deployment, tuple[float, float]]:
    begun = time.monotonic()
    deployment = change()
    return deployment, (begun, time.monotonic())


def _p99(shots: Sequence[Shot]) -> float:
    found = quantile(sorted(shot.latency_ms for shot in shots), 0.99)
    assert found is not None
    return found


if __name__ == "__main__":
    main()
