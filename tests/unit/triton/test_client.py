"""The client against a server that answers what each test tells it to."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from backend.adapters.triton import client as triton_client
from backend.adapters.triton.canary import canary_images
from backend.adapters.triton.client import AnswerTimeoutError, TritonClient, require_images
from backend.domain.serving import ServedModel
from backend.errors import DeploymentFailedError, EndpointUnavailableError, InvalidInputError

ONE = canary_images()[:1]
ROW = np.eye(10, dtype=np.float32)[4:5]


class Script(ThreadingHTTPServer):
    """`answers[path]` is what a request gets: status, header, body; `asked` are the bodies received."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[bytes] = []
        self.delay_s = 0.0
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def answer_inference(self, values: np.ndarray, *, version: str = "3") -> None:
        data = values.tobytes()
        output = {
            "name": "output_1",
            "datatype": "FP32",
            "shape": list(values.shape),
            "parameters": {"binary_data_size": len(data)},
        }
        head = json.dumps({"model_name": "mnist", "model_version": version, "outputs": [output]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))}
        self.answers["/v2/models/mnist/infer"] = (200, headers, head + data)

    def answer_json(self, path: str, document: object, status: int = 200) -> None:
        self.answers[path] = (status, {}, json.dumps(document).encode())


class _Handler(BaseHTTPRequestHandler):
    server: Script

    def do_GET(self) -> None:
        self.server.asked.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        time.sleep(self.server.delay_s)
        status, headers, body = self.server.answers.get(self.path, (404, {}, b'{"error": "no such model"}'))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the standard library's name

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Script]:
    server = Script()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def client(server: Script) -> TritonClient:
    return TritonClient(http_address=f"127.0.0.1:{server.server_port}", grpc_address="127.0.0.1:1")


def test_an_answer_comes_back_with_version_and_latency(server: Script, client: TritonClient) -> None:
    server.answer_inference(ROW)
    reply = client.infer(ONE)
    assert reply.version == 3
    assert reply.probabilities.tolist() == ROW.tolist()
    assert 0 < reply.latency_ms < 2000
    assert server.asked[0].endswith(ONE.tobytes())


def test_an_error_of_the_server_is_an_endpoint_that_is_unavailable(server: Script, client: TritonClient) -> None:
    server.answer_json("/v2/models/mnist/infer", {"error": "Stub process 'mnist_0' is not healthy."}, 500)
    with pytest.raises(EndpointUnavailableError, match=r"answered 500: Stub process"):
        client.infer(ONE)


def test_a_model_that_does_not_take_our_tensors_answers_nonsense(server: Script, client: TritonClient) -> None:
    server.answer_json("/v2/models/mnist/infer", {"error": "unexpected inference output"}, 400)
    with pytest.raises(DeploymentFailedError, match="unexpected inference output"):
        client.infer(ONE)


def test_silence_is_a_timeout(server: Script, client: TritonClient) -> None:
    server.delay_s = 0.3
    with pytest.raises(AnswerTimeoutError, match=r"did not answer within 0\.1 s"):
        client.infer(ONE, timeout_s=0.1)


def test_nobody_there_is_unavailable() -> None:
    client = TritonClient(http_address="127.0.0.1:1", grpc_address="127.0.0.1:1")
    with pytest.raises(EndpointUnavailableError, match="cannot be reached"):
        client.infer(ONE)
    with pytest.raises(EndpointUnavailableError, match="did not load 'mnist'"):
        client.load("mnist", "{}", timeout_s=2)
    with pytest.raises(EndpointUnavailableError, match="did not unload 'mnist'"):
        client.unload("mnist", timeout_s=2)


@pytest.mark.parametrize("body", [b"", b"hello", b"[1]", b"{}", b'{"model_version": "x"}'])
def test_what_cannot_be_read_is_nonsense(server: Script, client: TritonClient, body: bytes) -> None:
    server.answers["/v2/models/mnist/infer"] = (200, {}, body)
    with pytest.raises(DeploymentFailedError):
        client.infer(ONE)


@pytest.mark.parametrize("header_length", ["5", "100000", "-3", "x"])
def test_a_wrong_length_of_the_header_is_nonsense(server: Script, client: TritonClient, header_length: str) -> None:
    server.answer_inference(ROW)
    status, _, body = server.answers["/v2/models/mnist/infer"]
    server.answers["/v2/models/mnist/infer"] = (status, {"Inference-Header-Content-Length": header_length}, body)
    with pytest.raises(DeploymentFailedError):
        client.infer(ONE)


@pytest.mark.parametrize(
    ("values", "said"),
    [(ROW[:, :9], r"\[1, 9\]"), (ROW * np.nan, "not finite"), (ROW * 3, "sums to 3"), (ROW[:0], r"\[0, 10\]")],
)
def test_wrong_probabilities_are_nonsense(server: Script, client: TritonClient, values: np.ndarray, said: str) -> None:
    server.answer_inference(values.astype(np.float32))
    with pytest.raises(DeploymentFailedError, match=said):
        client.infer(ONE)


def test_tensors_without_bytes_are_nonsense(server: Script, client: TritonClient) -> None:
    """What the stub answers with NumPy 2."""
    server.answer_inference(ROW)
    status, headers, body = server.answers["/v2/models/mnist/infer"]
    head = body[: int(headers["Inference-Header-Content-Length"])].replace(b": 40}", b": 0}")
    server.answers["/v2/models/mnist/infer"] = (status, {"Inference-Header-Content-Length": str(len(head))}, head)
    with pytest.raises(DeploymentFailedError):
        client.infer(ONE)


def test_what_is_served_is_read_from_the_live_configuration(server: Script, client: TritonClient) -> None:
    assert client.served() is None
    server.answer_json("/v2/models/mnist/ready", {})
    config = {
        "version_policy": {"specific": {"versions": ["12"]}},
        "parameters": {"archive_sha256": {"string_value": "a" * 64}},
    }
    server.answer_json("/v2/models/mnist/config", config)
    assert client.served() == ServedModel(version=12, sha256="a" * 64)


def test_the_server_says_its_name(server: Script, client: TritonClient) -> None:
    server.answer_json("/v2", {"name": "digit-classification-staging-1"})
    assert client.server_name() == "digit-classification-staging-1"
    server.answers["/v2"] = (200, {}, b"<html>")
    with pytest.raises(EndpointUnavailableError, match="not Triton"):
        client.server_name()


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (ONE * 255, "Pixels go from 0 to 255, expected 0 to 1"),
        (-ONE, "Pixels go from -1"),
        (ONE * np.nan, "Pixels go from nan"),
        (ONE.astype(np.float64), "float64"),
        ((ONE * 255).astype(np.uint8), "uint8"),
        (ONE[0], r"\[28, 28, 1\], expected"),
        (ONE[:, :27], r"\[1, 27, 28, 1\], expected"),
        (ONE[:0], "0 images"),
        (np.repeat(ONE, 65, axis=0), "65 images, expected 1 to 64"),
    ],
)
def test_other_images_are_refused_before_anything_is_sent(images: np.ndarray, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        require_images(images)


def test_loads_go_over_grpc_around_any_proxy(client: TritonClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from tritonclient import grpc
    from tritonclient.utils import InferenceServerException

    made: list[tuple[str, list[tuple[str, int]]]] = []

    class Client:
        def __init__(self, url: str, *, channel_args: list[tuple[str, int]]) -> None:
            made.append((url, channel_args))

        def load_model(self, name: str, *, client_timeout: float, config: str) -> None:
            raise InferenceServerException(msg=f"failed to load '{name}',\n {config}", status="StatusCode.INTERNAL")

        def close(self) -> None:
            made.append(("closed", []))

    monkeypatch.setattr(grpc, "InferenceServerClient", Client)
    with pytest.raises(DeploymentFailedError, match="Triton refused to load 'mnist': failed to load 'mnist', digest"):
        client.load("mnist", "digest mismatch")
    assert made == [("127.0.0.1:1", [("grpc.enable_http_proxy", 0)]), ("closed", [])]


def test_the_dashboard_does_not_load_grpc() -> None:
    """It costs memory and threads; only deployments and runners need it."""
    code = f"import sys; import {triton_client.__name__}; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
