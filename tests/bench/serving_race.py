"""Servers that take turns: each is asked at every concurrency, a round each, and what is made of the answers."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from backend.adapters.triton.canary import canary_images
from backend.digits.performance import latencies
from tests.bench.report import ROOT
from tests.bench.serving_client import Order, Told
from tests.bench.serving_programs import Pixels, Running

CONCURRENCIES: Final = (1, 8, 32, 64)
FLOOR: Final = "ONNX Runtime in process"
HEADINGS: Final = ("1 at a time", *(f"{number} at once" for number in CONCURRENCIES[1:]))
CPU_HEADING: Final = "CPU for an answer, 32 at once: server, client"

_CPU_AT = 32
_WARM_UP_S = 0.3
_WAKE_UP_S = 0.5


@dataclass
class Measured:
    """Of one server: by concurrency, for each round, p50 and p99 in milliseconds, and answers per second."""

    asked: str
    rounds: dict[int, list[tuple[float, float, float]]] = field(default_factory=dict)
    failed: int = 0
    cpu_us: list[tuple[float, float]] = field(default_factory=list)
    """For one answer at 32 at once, for each round: of the server's processes, and of the client."""

    def add(self, concurrency: int, told: Told) -> None:
        if not told.latencies_ms:
            raise RuntimeError(f"no answer at {concurrency} at once, {told.failed} failed")
        p50, p99 = np.percentile(told.latencies_ms, [50, 99])
        rate = len(told.latencies_ms) / told.seconds
        self.rounds.setdefault(concurrency, []).append((float(p50), float(p99), rate))
        self.failed += told.failed

    def p50(self, concurrency: int = 1) -> float:
        """The median of the rounds, as the other two."""
        return median(p50 for p50, _, _ in self.rounds[concurrency])

    def p99(self, concurrency: int) -> float:
        return median(p99 for _, p99, _ in self.rounds[concurrency])

    def rate(self, concurrency: int) -> float:
        return median(rate for _, _, rate in self.rounds[concurrency])

    def cpu_cell(self) -> str:
        if not self.cpu_us:
            return ""
        server, client = (median(one) for one in zip(*self.cpu_us, strict=True))
        return f"{server:.0f}, {client:.0f} µs"

    def cells(self) -> list[str]:
        """One for each of `CONCURRENCIES`; empty where it was not asked."""
        return [
            f"{self.p50(number):.{3 if number == 1 else 2}f} / {self.p99(number):.1f} ms, {self.rate(number):,.0f}/s"
            if number in self.rounds
            else ""
            for number in CONCURRENCIES
        ]


def race(servers: Sequence[Running], session: Any, *, rounds: int, seconds: float) -> Mapping[str, Measured]:
    """Ask every server, and `session` (ONNX Runtime in this process), which is `FLOOR`; in `rounds` rounds.

    A restless one stands still while others are asked. Raises `AssertionError` unless all answer as the session does.
    """
    pixels = one_digit()
    measured = {FLOOR: Measured("")}
    for server in servers:
        require_same_answer(server, session, pixels)
        server.pause()
    for number in range(rounds):
        floor = 1e3 * latencies(session, pixels, most=10**9, seconds=seconds)
        told = Told(latencies_ms=floor.tolist(), failed=0, seconds=seconds, answers=len(floor), cpu_s=0.0)
        measured[FLOOR].add(1, told)
        for server in servers:
            seen = measured.setdefault(server.name, Measured(server.asked))
            server.go_on()
            time.sleep(_WAKE_UP_S if server.session else 0.0)
            for concurrency in CONCURRENCIES:
                before = server.cpu_seconds()
                told = ask(server, concurrency, seconds)
                seen.add(concurrency, told)
                if concurrency == _CPU_AT:
                    took = server.cpu_seconds() - before
                    seen.cpu_us.append((1e6 * took / told.answers, 1e6 * told.cpu_s / told.answers))
            server.pause()
            rates = ", ".join(f"{rate:.0f}" for *_, rate in (seen.rounds[c][-1] for c in CONCURRENCIES))
            print(f"round {number + 1}, {server.name}: {rates} per second", file=sys.stderr, flush=True)
    for server in servers:
        server.go_on()
    return measured


def ask(server: Running, concurrency: int, seconds: float) -> Told:
    """Load the server from a process of its own. Raises `RuntimeError` when it does not answer."""
    order = Order(
        port=server.port,
        request=base64.b64encode(server.request).decode(),
        connections=concurrency,
        warm_up_s=_WARM_UP_S,
        seconds=seconds,
    )
    client = subprocess.run(
        [sys.executable, "-m", "tests.bench.serving_client"],
        input=json.dumps(asdict(order)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if client.returncode != 0:
        raise RuntimeError(f"{server.name}, {concurrency} at once: {client.stderr.strip()[-400:]}")
    return Told(**json.loads(client.stdout))


def require_same_answer(server: Running, session: Any, pixels: Pixels) -> None:
    expected = session.run(["output_1"], {"input_1": pixels})[0]
    answer = server.answer()
    assert answer.shape == expected.shape, (server.name, answer.shape)
    assert np.abs(answer - expected).max() < 1e-5, (server.name, answer, expected)


def one_digit() -> Pixels:
    """float32 [1, 28, 28, 1] in [0, 1]."""
    return np.ascontiguousarray(canary_images()[3:4])


def balanced_archive() -> Path:
    """The archive of a job with the preset balanced, trained once, by the product's own command."""
    archive = ROOT / "test-results" / "bench-serving" / "model.tar.gz"
    if archive.is_file():
        return archive
    print("training the preset balanced: some minutes", file=sys.stderr, flush=True)
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="digits-bench-") as home:
        subprocess.run(
            [sys.executable, "-m", "backend", "train", "--preset", "balanced", "--name", "balanced", "--wait"],
            env={**os.environ, "DIGITS_HOME": home},
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        shutil.copy(Path(home) / "jobs" / "balanced" / "model.tar.gz", archive.with_suffix(".part"))
    archive.with_suffix(".part").rename(archive)
    return archive
