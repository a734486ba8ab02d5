"""The servers that are measured beside each other: how each is made, started and asked in its natural way.

The peers live in environments of their own, `.venv-bench/<peer>`, from exact pins in `serving_peers/<peer>.txt`; the
applications written for them are in that folder too.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.triton.model_config import INPUT, OUTPUT
from backend.domain.serving import TRITON_MODEL, ServedModel, Stage
from tests.bench.report import ROOT

PEERS: Final = Path(__file__).parent / "serving_peers"
ENVIRONMENTS: Final = ROOT / ".venv-bench"
START_SECONDS: Final = 90.0
OURS: Final = "Digit Ops (embedded Triton)"
FASTAPI: Final = "FastAPI + ONNX Runtime"
RAW: Final = "raw float32"

Pixels = npt.NDArray[np.float32]
Parse = Callable[[Mapping[bytes, bytes], bytes], npt.NDArray[np.float32]]
"""From an answer's headers (lower case) and body to probabilities [N, 10]."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """One server that answers: where, what a request for one image is in bytes, and how its answer is read.

    `session` is the id of the session of its processes, 0 for one that is not to be paused. `processes` are the ids
    of those whose work counts as its own.
    """

    name: str
    asked: str
    port: int
    request: bytes
    parse: Parse
    processes: Callable[[], Sequence[int]]
    session: int = 0

    def cpu_seconds(self) -> float:
        """What its processes have taken so far, in steps of 0.01 s; those that have ended are left out."""
        return sum(_cpu_seconds(process) for process in self.processes())

    def pause(self) -> None:
        """Let all of its processes stand still, until `go_on`."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for process in session_of(self.session) if self.session else ():
            os.kill(process, number)

    def answer(self) -> npt.NDArray[np.float32]:
        """Ask once, over a connection of its own. Raises `ConnectionError` unless it answers with a 200."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(self.request)
            received = b""
            while b"\r\n\r\n" not in received:
                received += _some(connection)
            head, body = received.split(b"\r\n\r\n", 1)
            status, *lines = head.split(b"\r\n")
            headers = {name.lower(): value for name, value in (line.split(b": ", 1) for line in lines)}
            while len(body) < int(headers[b"content-length"]):
                body += _some(connection)
        if b" 200 " not in status + b" ":
            raise ConnectionError(f"{self.name} answers {status.decode()}: {body[:200]!r}")
        return self.parse(headers, body)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A Python server: `command` gets its interpreter, the port and a folder for its files.

    `package` is the one whose version is told, `environment` which environment it lives in.
    """

    name: str
    package: str
    environment: str
    asked: str
    path: str
    content_type: str
    body: Callable[[Pixels], bytes]
    parse: Parse
    command: Callable[[Path, int, Path], Sequence[str]]
    variables: Mapping[str, str] = field(default_factory=dict)
    is_restless: bool = False
    """Takes a tenth of a core with nothing to do: it is paused while others are asked."""

    @property
    def python(self) -> Path:
        return ENVIRONMENTS / self.environment / "bin" / "python"

    def make_environment(self) -> str:
        """Make it unless it was made from the very pins; returns the version. Raises `CalledProcessError`."""
        pins = (PEERS / f"{self.environment}.txt").read_bytes()
        stamp = self.python.parents[1] / ".made-from"
        digest = hashlib.sha256(pins).hexdigest()
        if not stamp.is_file() or stamp.read_text() != digest:
            uv = str(Path(sys.executable).with_name("uv"))
            folder = str(self.python.parents[1])
            _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder])
            pinned = str(PEERS / f"{self.environment}.txt")
            install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(self.python)]
            _run([*install, "-r", pinned])
            stamp.write_text(digest)
        return _run(
            [str(self.python), "-c", f"from importlib.metadata import version as v; print(v('{self.package}'))"]
        )

    @contextmanager
    def running(self, model: Path, folder: Path, pixels: Pixels) -> Iterator[Running]:
        """Start it on the ONNX file `model`; it and all that it started are ended with the block."""
        port = free_port()
        environment = {**os.environ, "PYTHONPATH": str(PEERS), "BENCH_MODEL": str(model), "ORT_DISABLE_TELEMETRY": "1"}
        body = self.body(pixels)
        head = f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {self.content_type}\r\n"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                self.command(self.python, port, folder),
                cwd=folder,
                env={**environment, **self.variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        server = Running(
            name=self.name,
            asked=self.asked,
            port=port,
            request=request,
            parse=self.parse,
            processes=lambda: sorted({*session_of(process.pid), *_tree(process.pid)}),
            session=process.pid if self.is_restless else 0,
        )
        try:
            _wait_until_it_answers(server, process, folder / "server.log")
            yield server
        finally:
            server.go_on()
            end_session(process)


@contextmanager
def ours(archive: Path, home: Path, serving_env: Path, pixels: Pixels) -> Iterator[Running]:
    """The product's own endpoint: its supervised Triton, deployed to as a promotion does, with the archive's config."""
    endpoints = LocalEndpoints(home, serving_env)
    target = ServedModel(version=1, sha256=hashlib.sha256(archive.read_bytes()).hexdigest())
    endpoints.deploy(Stage.PROD, target, archive, lambda *_: None)
    try:
        port = int(endpoints.describe(Stage.PROD).url.rsplit(":", 1)[1])
        status = EndpointFolder(home, Stage.PROD).status()
        assert status is not None
        yield triton_at(OURS, port, status.server_pid, pixels)
    finally:
        endpoints.delete(Stage.PROD)


def triton_at(name: str, port: int, process: int, pixels: Pixels) -> Running:
    """A `tritonserver`, with its stubs, asked as the product's client asks it: the V2 protocol with binary tensors."""
    tensor = InferInput(INPUT, list(pixels.shape), "FP32")
    tensor.set_data_from_numpy(pixels)
    body, header = InferenceServerClient.generate_request_body(
        [tensor], outputs=[InferRequestedOutput(OUTPUT, binary_data=True)]
    )
    head = (
        f"POST /v2/models/{TRITON_MODEL}/infer HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\n"
        f"Inference-Header-Content-Length: {header}\r\n\r\n"
    )
    return Running(
        name=name,
        asked="V2 binary",
        port=port,
        request=head.encode() + body,
        parse=_parse_triton,
        processes=lambda: [process, *children_of(process)],
    )


def peers() -> list[Peer]:
    """One worker each, which is each one's default, and two for FastAPI, which then has as many as Triton has stubs."""
    return [_fastapi(1), _fastapi(2), _mlserver(), _bentoml(), _ray()]


def _fastapi(workers: int) -> Peer:
    return Peer(
        name=FASTAPI + (f", {workers} workers" if workers > 1 else ""),
        package="fastapi",
        environment="fastapi",
        asked=RAW,
        path="/predict",
        content_type="application/octet-stream",
        body=_raw,
        parse=_parse_raw,
        command=lambda python, port, _: [
            *(str(python), "-m", "uvicorn", "fastapi_app:app", "--port", str(port), "--workers", str(workers)),
            *("--loop", "uvloop", "--http", "httptools", "--no-access-log"),
        ],
    )


def _mlserver() -> Peer:
    def command(python: Path, port: int, folder: Path) -> Sequence[str]:
        ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
        settings = {"host": "127.0.0.1", "parallel_workers": 0, "debug": False, **ports}
        (folder / "settings.json").write_text(json.dumps(settings))
        model = {"name": "mnist", "implementation": "mlserver_model.Mnist"}
        (folder / "model-settings.json").write_text(json.dumps(model))
        return [str(python.with_name("mlserver")), "start", str(folder)]

    return Peer(
        name="MLServer",
        package="mlserver",
        environment="mlserver",
        asked="V2 JSON",
        path="/v2/models/mnist/infer",
        content_type="application/json",
        body=lambda pixels: json.dumps(
            {
                "inputs": [
                    {"name": INPUT, "shape": list(pixels.shape), "datatype": "FP32", "data": _short(pixels.ravel())}
                ]
            }
        ).encode(),
        parse=lambda _, body: np.array(json.loads(body)["outputs"][0]["data"], np.float32).reshape(-1, 10),
        command=command,
    )


def _bentoml() -> Peer:
    return Peer(
        name="BentoML",
        package="bentoml",
        environment="bentoml",
        asked="its JSON",
        path="/predict",
        content_type="application/json",
        body=lambda pixels: json.dumps({"pixels": _short(pixels)}).encode(),
        parse=lambda _, body: np.array(json.loads(body), np.float32),
        command=lambda python, port, folder: [
            *(str(python.with_name("bentoml")), "serve", "bentoml_app:Mnist", "--working-dir", str(PEERS)),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        variables={"BENTOML_DO_NOT_TRACK": "True"},
    )


def _ray() -> Peer:
    return Peer(
        name="Ray Serve",
        package="ray",
        environment="rayserve",
        asked=RAW,
        path="/predict",
        content_type="application/octet-stream",
        body=_raw,
        parse=_parse_raw,
        command=lambda python, port, _: [str(python), str(PEERS / "ray_app.py"), str(port)],
        variables={"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_LOG_TO_STDERR": "0"},
        is_restless=True,
    )


def _raw(pixels: Pixels) -> bytes:
    return pixels.tobytes()


def _parse_raw(_: Mapping[bytes, bytes], body: bytes) -> npt.NDArray[np.float32]:
    return np.frombuffer(body, np.float32).reshape(-1, 10)


def _parse_triton(headers: Mapping[bytes, bytes], body: bytes) -> npt.NDArray[np.float32]:
    length = int(headers[b"inference-header-content-length"])
    answer = InferenceServerClient.parse_response_body(body, header_length=length).as_numpy(OUTPUT)
    assert answer is not None
    return answer


def _short(values: Pixels) -> object:
    """As JSON numbers of the digits that float32 has: the shortest text, which is the fairest to parse."""
    return json.loads(json.dumps(values.astype(np.float64).round(7).tolist()))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end_session(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, then end whatever is left of its session: Ray and BentoML start many."""
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for other in session_of(process.pid):
        with suppress(ProcessLookupError):
            os.kill(other, signal.SIGKILL)


def session_of(leader: int) -> list[int]:
    """The ids of all processes in the session that the process `leader` began."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rsplit(")", 1)[1].split()[3]) == leader:
                members.append(int(stat.parent.name))
        except OSError:
            continue
    return members


def children_of(process: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{process}/task").glob("*/children") for child in task.read_text().split()
    ]


def _tree(process: int) -> list[int]:
    """The process and all below it, also those that began a session of their own, as BentoML's workers do."""
    return [process, *(one for child in children_of(process) for one in _tree(child))]


def _cpu_seconds(process: int) -> float:
    try:
        words = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _wait_until_it_answers(server: Running, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server.answer()
        except (OSError, ValueError, KeyError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace")[-600:]
                raise RuntimeError(f"{server.name} does not answer ({error}); its log ends: {tail}") from error
            time.sleep(0.2)
        else:
            return


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(2**16)
    if not data:
        raise ConnectionError("closed by the server")
    return data


def _run(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
