"""`python -m tests.bench.serving_choices`: how our endpoint's Triton is best configured, one choice changed at a time.

Every server is started with the product's own command line, serves the same archive and differs from what its
`config.pbtxt` and that command line say in the one thing named. They take turns, a round each.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from backend.adapters.local.packing import sha256_of
from backend.adapters.local.processes import die_with_parent
from backend.adapters.triton import server as triton
from backend.adapters.triton.archive import Archive, read_archive
from backend.adapters.triton.client import TritonClient
from backend.adapters.triton.environment import locate
from backend.adapters.triton.model_config import load_request
from backend.adapters.triton.repository import ModelRepository
from backend.digits.performance import open_session
from backend.domain.serving import TRITON_MODEL, ServedModel
from backend.errors import EndpointUnavailableError
from tests.bench.report import write_table
from tests.bench.serving import SERVING_ENV
from tests.bench.serving_programs import Running, triton_at
from tests.bench.serving_race import CPU_HEADING, HEADINGS, Measured, balanced_archive, one_digit, race

START_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Choice:
    """What differs: fields of the model's configuration (None takes one away), and options of the server."""

    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    options: Sequence[str] = ()
    without: str = ""
    """The beginning of an option of the product's command line that is left out."""


def _copies(count: int) -> Mapping[str, Any]:
    return {"instance_group": [{"count": count, "kind": "KIND_CPU"}]}


def _batching(delay_us: int, sizes: Sequence[int] = ()) -> Mapping[str, Any]:
    return {"dynamic_batching": {"max_queue_delay_microseconds": delay_us, "preferred_batch_size": list(sizes)}}


def _threads(count: int) -> Mapping[str, Any]:
    one = {"string_value": "1"}
    return {"parameters": {"intra_op_thread_count": {"string_value": str(count)}, "inter_op_thread_count": one}}


CHOICES: Final = (
    Choice("**as it is served**"),
    Choice("batches as large as the queue", _batching(0)),
    Choice("batches of 8 preferred", _batching(0, [8])),
    Choice("batches of 4, 8 or 16 preferred", _batching(0, [4, 8, 16])),
    Choice("waiting up to 0.1 ms for them", _batching(100, [8, 16, 32])),
    Choice("no batches", {"dynamic_batching": None}),
    Choice("1 copy of the model", _copies(1)),
    Choice("3 copies", _copies(3)),
    Choice("2 threads for each run", _threads(2)),
    Choice("2 threads for HTTP (of 8)", options=["--http-thread-count=2"]),
    Choice("no quantiles of the latency counted", without="--metrics-config"),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.2, help="of one choice, at one concurrency, in one round")
    parser.add_argument("--archive", type=Path, help="a model.tar.gz; without it a balanced model is trained, once")
    options = parser.parse_args()
    path = options.archive or balanced_archive()
    archive = read_archive(path, sha256=sha256_of(path))
    with tempfile.TemporaryDirectory(prefix="digits-choices-") as name, ExitStack() as stack:
        folder = Path(name)
        servers = []
        for number, choice in enumerate(CHOICES):
            servers.append(stack.enter_context(started(choice, archive, folder / str(number))))
        model = folder / "model.onnx"
        model.write_bytes(archive.onnx)
        measured = race(servers, open_session(model), rounds=options.rounds, seconds=options.seconds)
    rows = [[choice.name, *_cells(measured[choice.name])] for choice in CHOICES]
    write_table(
        "Serving: what was chosen, and what else was tried",
        ["Triton", *HEADINGS, CPU_HEADING],
        rows,
        note=f"p50 / p99, answers per second: medians of {options.rounds} rounds, {options.seconds:g} s for each "
        "figure. The balanced model and the client of the table above. Within a tenth of each other they are alike: "
        "the sizes preferred are chosen for the CPU time and the p99 that they save under load. Without the quantiles "
        "there would be some more answers, but the Endpoints page shows them.",
    )


def _cells(measured: Measured) -> list[str]:
    assert not measured.failed
    return [*measured.cells(), measured.cpu_cell()]


@contextmanager
def started(choice: Choice, archive: Archive, folder: Path) -> Iterator[Running]:
    """A server that serves the archive as the choice has it, until the block ends."""
    environment = locate(SERVING_ENV)
    model = ServedModel(version=1, sha256=archive.sha256)
    repository = ModelRepository(folder / "repository")
    repository.install(archive, model.version)
    triton.install_backends(environment, folder / "backends")
    ports = triton.free_ports()
    command = triton.command_line(
        environment, repository=repository.root, backends=folder / "backends", ports=ports, server_id=choice.name
    )
    command = [part for part in command if not (choice.without and part.startswith(choice.without))]
    with (folder / "triton.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *choice.options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment.variables(),
            preexec_fn=die_with_parent,
        )
    try:
        http, grpc = (f"{triton.HOST}:{port}" for port in (ports.http, ports.grpc))
        client = TritonClient(http_address=http, grpc_address=grpc)
        _wait_for(client, choice.name)
        config = {name: value for name, value in {**archive.config, **choice.config}.items() if value is not None}
        request = load_request(
            config, name=TRITON_MODEL, model=model, onnx_sha256=archive.onnx_sha256, generation=json.dumps(choice.name)
        )
        client.load(TRITON_MODEL, request)
        yield triton_at(choice.name, ports.http, process.pid, one_digit())
    finally:
        triton.kill(process)


def _wait_for(client: TritonClient, server_id: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            assert client.server_name() == server_id
        except EndpointUnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    main()
