"""`python -m tests.campaign.server_memory [--predictions N]`: the memory of an endpoint over many predictions.

A stage serves the balanced model and is asked over 16 connections at once; between two windows it gets batches of every
size and requests that it must refuse, because those take other ways through the server. What is counted is the memory
that only an end of the process gives back: anonymous and shared, not the pages of files.
"""

from __future__ import annotations

import argparse
import http.client
import re
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import numpy as np

from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.local.packing import sha256_of
from backend.adapters.triton.load import TritonLoad
from backend.domain.loadtest import LoadPlan
from backend.domain.serving import TRITON_MODEL, ServedModel, Stage
from tests.bench.report import write_table
from tests.bench.serving_race import balanced_archive, one_digit
from tests.campaign.switch import RELIABILITY
from tests.contract.serving_platforms import SERVING_ENV
from tests.integration.triton.test_supervision import children_of

PREDICTIONS: Final = 100_000
SETTLED: Final = 20_000
"""After so many the allocators have what they need; growth is counted from here."""
MOST_GROWTH_MB: Final = 5.0
"""Of all processes together, over 100,000 predictions; a leak of one request's image alone would be 300 MB."""
WINDOW: Final = LoadPlan(concurrency=16, seconds=2)
REFUSED: Final = (
    b"[" * 1000,
    b'{"inputs": [{"name": "input_1", "shape": [1, 5], "datatype": "FP32", "data": [0, 0, 0, 0, 0]}]}',
    b'{"inputs": [{"name": "input_1", "shape": [65, 28, 28, 1], "datatype": "FP32", "data": []}]}',
    b'{"inputs": [{"name": "other", "shape": [1, 1], "datatype": "FP32", "data": [0]}]}',
)
STAGE: Final = Stage.STAGING


@dataclass
class Memory:
    """Megabytes of each process after so many predictions."""

    predictions: list[int] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)
    refused: int = 0
    failed: int = 0

    def note(self, predictions: int, processes: dict[str, int]) -> None:
        self.predictions.append(predictions)
        for name, pid in processes.items():
            self.parts.setdefault(name, []).append(megabytes(pid))

    def total(self, index: int) -> float:
        return sum(part[index] for part in self.parts.values())

    def growth(self) -> float:
        """Megabytes per 100,000 predictions of all together: the slope of a line through what came after `SETTLED`."""
        counts = np.array(self.predictions)
        totals = np.array([self.total(index) for index in range(len(counts))])
        settled = counts >= SETTLED
        slope, _ = np.polyfit(counts[settled], totals[settled], 1)
        return float(slope) * 100_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--predictions", type=int, default=PREDICTIONS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="digits-memory-") as home:
        memory = watch(Path(home), options.predictions)
    growth = memory.growth()
    settled = next(index for index, count in enumerate(memory.predictions) if count >= SETTLED)
    moments = (0, settled, (settled + len(memory.predictions) - 1) // 2, len(memory.predictions) - 1)
    rows = [[name, *(f"{part[moment]:.1f}" for moment in moments)] for name, part in memory.parts.items()]
    rows.append(["all, MB", *(f"**{memory.total(moment):.1f}**" for moment in moments)])
    write_table(
        "Memory of the embedded server",
        [
            "anonymous and shared memory, MB",
            *(f"after {memory.predictions[moment]:,} predictions" for moment in moments),
        ],
        rows,
        note=f"The balanced model, {WINDOW.concurrency} connections at once, batches of 1 to 64 in between; "
        f"{memory.failed} requests failed, and {memory.refused:,} wrong ones were refused, as they must be. From "
        f"{SETTLED:,} predictions on: {growth:+.1f} MB per 100,000, at most {MOST_GROWTH_MB:+.1f} expected.",
        path=RELIABILITY,
    )
    assert not memory.failed
    assert growth <= MOST_GROWTH_MB, memory


def watch(home: Path, predictions: int) -> Memory:
    endpoints = LocalEndpoints(home, SERVING_ENV)
    archive = balanced_archive()
    endpoints.deploy(STAGE, ServedModel(version=1, sha256=sha256_of(archive)), archive, lambda *_: None)
    try:
        url = endpoints.describe(STAGE).url
        processes = processes_of(EndpointFolder(home, STAGE))
        memory, count = Memory(), 0
        memory.note(count, processes)
        while count < predictions:
            shots = TritonLoad().closed_loop(url, WINDOW, lambda *_: None)
            memory.failed += sum(bool(shot.failure) for shot in shots)
            count += sum(not shot.failure for shot in shots)
            count += ask_in_batches(endpoints)
            memory.refused += ask_wrongly(url)
            time.sleep(0.5)
            assert processes_of(EndpointFolder(home, STAGE)) == processes, "a process was replaced meanwhile"
            memory.note(count, processes)
        return memory
    finally:
        endpoints.delete(STAGE)


def processes_of(folder: EndpointFolder) -> dict[str, int]:
    """Each process of the endpoint with its id."""
    status = folder.status()
    assert status is not None
    stubs = sorted(children_of(status.server_pid))
    return {
        "endpoint runner": status.pid,
        "tritonserver": status.server_pid,
        **{f"copy {number} of the model (stub)": stub for number, stub in enumerate(stubs, 1)},
    }


def ask_in_batches(endpoints: LocalEndpoints) -> int:
    """Images in batches of every size."""
    for size in range(1, 65):
        endpoints.predict(STAGE, np.repeat(one_digit(), size, axis=0))
    return sum(range(1, 65))


def ask_wrongly(url: str) -> int:
    """Requests that the server must refuse, and go on."""
    address = urlsplit(url).netloc
    for body in REFUSED:
        connection = http.client.HTTPConnection(address, timeout=5)
        connection.request("POST", f"/v2/models/{TRITON_MODEL}/infer", body, {"Content-Type": "application/json"})
        status = connection.getresponse().status
        connection.close()
        assert status >= 400, body
    return len(REFUSED)


def megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return sum(int(kilobytes) for kilobytes in re.findall(r"Rss(?:Anon|Shmem):\s+(\d+) kB", status)) / 1024


if __name__ == "__main__":
    main()
