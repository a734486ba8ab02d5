"""`python -m tests.bench.serving`: our endpoint beside MLServer, BentoML, Ray Serve and FastAPI with ONNX Runtime.

All serve the same ONNX file of the preset balanced, one thread for each run, and are asked for one image a request by
the same client (`serving_client`), over HTTP, each in its natural way. ONNX Runtime without any server is the floor.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from backend.adapters.local.packing import sha256_of
from backend.adapters.triton.archive import read_archive
from backend.digits.performance import open_session
from tests.bench.report import ROOT, write_table
from tests.bench.serving_programs import FASTAPI, OURS, ours, peers
from tests.bench.serving_race import (
    CONCURRENCIES,
    CPU_HEADING,
    FLOOR,
    HEADINGS,
    Measured,
    balanced_archive,
    one_digit,
    race,
)

SERVING_ENV: Final = ROOT / ".venv-serving"
OVER_FLOOR_MS: Final = 0.45
OVER_FASTAPI_MS: Final = 0.25
TIMES_THE_FASTEST: Final = 2.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one server, at one concurrency, in one round")
    parser.add_argument("--archive", type=Path, help="a model.tar.gz; without it a balanced model is trained, once")
    options = parser.parse_args()
    archive = options.archive or balanced_archive()
    versions: dict[str, str] = {}
    missing: dict[str, str] = {}
    for peer in peers():
        try:
            versions[peer.name] = peer.make_environment()
        except subprocess.CalledProcessError as error:
            missing[peer.name] = f"could not be installed: {error.stderr.strip().splitlines()[-1][:200]}"
    measured = side_by_side(archive, options.rounds, options.seconds, missing)
    rows = [
        [name, versions.get(name, ""), one.asked, *one.cells(), one.cpu_cell(), str(one.failed)]
        for name, one in measured.items()
    ] + [[name, "", why, *("" for _ in CONCURRENCIES), "", ""] for name, why in missing.items()]
    write_table(
        "Serving: ours beside other servers",
        ["server", "version", "asked in", *HEADINGS, CPU_HEADING, "failed"],
        rows,
        note=f"p50 / p99, answers per second: medians of {options.rounds} rounds, {options.seconds:g} s for each "
        "figure, in which the servers took turns (Ray stood still between its own: idle it takes a tenth of a core). "
        "One file, of the preset balanced; one image a request; one client, HTTP with keep-alive, on the same cores. "
        "Ours is the endpoint as a promotion leaves it. Of the others one worker, as each starts by default; FastAPI "
        "also with two, as many as our endpoint has copies of the model; MLServer without further processes, BentoML "
        "with its adaptive batching, which after a busy time makes a lone request wait; no access logs. Each one's "
        "answer was compared with ONNX Runtime's beforehand. gRPC is left out: a client in Python takes longer for it.",
    )
    write_table("Serving: goals", ["what", "goal", "measured", "met"], goals(measured))


def side_by_side(archive: Path, rounds: int, seconds: float, without: Mapping[str, str]) -> Mapping[str, Measured]:
    """All servers but those in `without`, and the floor."""
    with tempfile.TemporaryDirectory(prefix="digits-serving-") as name, ExitStack() as stack:
        folder = Path(name)
        model = folder / "model.onnx"
        model.write_bytes(read_archive(archive, sha256=sha256_of(archive)).onnx)
        servers = [stack.enter_context(ours(archive, folder / "ours", SERVING_ENV, one_digit()))]
        for number, peer in enumerate(one for one in peers() if one.name not in without):
            place = folder / str(number)
            place.mkdir()
            servers.append(stack.enter_context(peer.running(model, place, one_digit())))
        return race(servers, open_session(model), rounds=rounds, seconds=seconds)


def goals(measured: Mapping[str, Measured]) -> list[list[str]]:
    """A row for each goal: what, how much is wanted, how much was measured, whether that is enough."""
    mine = measured[OURS]
    rivals = [name for name in measured if name not in (OURS, FLOOR)]
    rows = []
    for name, most in ((FLOOR, OVER_FLOOR_MS), (FASTAPI, OVER_FASTAPI_MS)):
        if name in measured:
            over = mine.p50() - measured[name].p50()
            rows.append([f"p50 above {name}, 1 at a time", f"at most {most} ms", f"{over:.3f} ms", _met(over <= most)])
    for who, names in (("one worker", [n for n in rivals if "workers" not in n]), ("any number of workers", rivals)):
        for concurrency in (number for number in CONCURRENCIES if number >= 32 and names):
            rates = {name: measured[name].rate(concurrency) for name in names}
            fastest = max(rates, key=rates.__getitem__)
            times = mine.rate(concurrency) / rates[fastest]
            rows.append(
                [
                    f"throughput, {concurrency} at once, beside the fastest Python server with {who}: {fastest}",
                    f"at least {TIMES_THE_FASTEST:g}x",
                    f"{times:.2f}x",
                    _met(times >= TIMES_THE_FASTEST),
                ]
            )
    return rows


def _met(holds: bool) -> str:
    return "yes" if holds else "**no**"


if __name__ == "__main__":
    main()
