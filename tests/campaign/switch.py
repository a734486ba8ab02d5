"""Switches and rollbacks of prod, over and over, while somebody else asks it 400 times a second.

`python -m tests.campaign.switch` writes what was seen to `docs/reliability.md`.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

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
ROUNDS = 20
ROUND_S = 14.0
"""Of the campaign, from one switch to the next; the rollback comes in between."""
P99_MS = 25.0
"""What a client may notice of a switch."""
STAGE = Stage.PROD


@dataclass(frozen=True, kw_only=True)
class Switch:
    """One change from version `old` to `new`, as the client outside saw it.

    `seconds` from the command to its end; `until_served` from the command to the first answer of `new`.
    `stale` counts answers of `old` that were asked for after an answer of `new` had arrived: none, if it was clean.
    `probed` and `probe_failed` are what the deployment's own probe stream says.
    """

    old: int
    new: int
    outcome: Outcome
    seconds: float
    until_served: float
    p99_ms: float
    worst_ms: float
    stale: int
    probed: int
    probe_failed: int


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What the load saw in all: `versions` in the order of sending, repetitions left out."""

    requests: int
    failures: Sequence[str]
    versions: Sequence[int]
    p99_before_ms: float
    switches: Sequence[Switch]


def prove(home: Path, requests: int, rounds: int = 1) -> Proof:
    """Serve version 1 at prod; then, `rounds` times in equal parts of the load, switch to 2 and roll back to 1."""
    endpoints = LocalEndpoints(home, SERVING_ENV)
    world = make_world(home, endpoints, TritonLoad())
    for number in (1, 2):
        world.add_job(f"job-{number}", sharpness=number)
        world.backend.registration.register_job(f"job-{number}", actor=world.backend.actor)
        world.backend.registration.decide(number, Approval.APPROVED, actor=world.backend.actor)
    try:
        assert _promote(world, 1).outcome is Outcome.SUCCEEDED
        return _under_load(world, endpoints.describe(STAGE).url, requests, rounds)
    finally:
        endpoints.delete(STAGE)


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        proof = prove(Path(home), round(ROUNDS * ROUND_S * PER_SECOND), ROUNDS)
    rows = {
        "requests, from a process of its own": f"{proof.requests:,} at {PER_SECOND} a second",
        "failed": f"{len(proof.failures)}",
        "changes of the version that answered, in the order of asking": f"{len(proof.versions) - 1}",
        "p99 before the first": f"{proof.p99_before_ms:.1f} ms",
    }
    for name, seen in (("switches", proof.switches[::2]), ("rollbacks", proof.switches[1::2])):
        good = sum(switch.outcome is Outcome.SUCCEEDED for switch in seen)
        rows[name] = f"{good} of {len(seen)} succeeded, {_spread([switch.seconds for switch in seen])} s each"
        rows[f"{name}: from the command to the first new answer"] = f"{_spread([s.until_served for s in seen])} s"
        rows[f"{name}: p99 meanwhile, expected below {P99_MS:.0f} ms"] = f"{_spread([s.p99_ms for s in seen])} ms"
        rows[f"{name}: the slowest request of all"] = f"{max(switch.worst_ms for switch in seen):.1f} ms"
        rows[f"{name}: old answers after the first new one"] = f"{sum(switch.stale for switch in seen)}"
        probed, failed = sum(switch.probed for switch in seen), sum(switch.probe_failed for switch in seen)
        rows[f"{name}: what the deployments' own probe streams say"] = f"{failed} of {probed:,} requests failed"
    if not RELIABILITY.is_file():
        RELIABILITY.write_text("# Reliability\n\nMade by `make campaign`.\n")
    write_section("Switching under load", rows, path=RELIABILITY)
    assert not proof.failures
    assert all(switch.outcome is Outcome.SUCCEEDED and not switch.stale for switch in proof.switches)
    assert all(switch.p99_ms < P99_MS for switch in proof.switches)


def _under_load(world: World, url: str, requests: int, rounds: int) -> Proof:
    command = [sys.executable, "-m", "tests.campaign.open_loop", url, str(PER_SECOND), str(requests)]
    part = requests / PER_SECOND / (2 * rounds + 1)
    changes: list[tuple[Deployment, tuple[float, float]]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "begun\n"
        begun = time.monotonic()
        try:
            for number in range(2 * rounds):
                time.sleep(max(0.0, begun + (number + 0.7) * part - time.monotonic()))
                changes.append(
                    _timed(lambda number=number: _promote(world, 2) if number % 2 == 0 else _roll_back(world))
                )
            rows = json.loads(client.communicate(timeout=requests / PER_SECOND + 60)[0])
        finally:
            client.kill()
    shots = [Shot(due=row[0], sent=row[1], done=row[2], version=row[3], failure=row[4]) for row in rows]
    shots.sort(key=lambda shot: shot.sent)
    answered = [shot for shot in shots if not shot.failure]
    middles = [(first[1] + second[0]) / 2 for (_, first), (_, second) in pairwise(changes)]
    windows = pairwise([-math.inf, *middles, math.inf])
    return Proof(
        requests=len(shots),
        failures=[shot.failure for shot in shots if shot.failure],
        versions=[answered[0].version, *(b.version for a, b in pairwise(answered) if a.version != b.version)],
        p99_before_ms=_p99([shot for shot in answered if shot.done < changes[0][1][0]]),
        switches=[
            _seen(deployment, span, [shot for shot in answered if low <= shot.sent < high])
            for (deployment, span), (low, high) in zip(changes, windows, strict=True)
        ],
    )


def _seen(deployment: Deployment, span: tuple[float, float], answered: Sequence[Shot]) -> Switch:
    new = deployment.version
    old = 3 - new
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
        probed=deployment.probe.requests if deployment.probe else 0,
        probe_failed=deployment.probe.failed if deployment.probe else 0,
    )


def _promote(world: World, version: int) -> Deployment:
    return world.backend.promotion.promote(STAGE, version, actor=world.backend.actor)


def _roll_back(world: World) -> Deployment:
    return world.backend.promotion.roll_back(STAGE, actor=world.backend.actor)


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f} (median {median(values):.2f})"


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
