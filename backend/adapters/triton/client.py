"""Asking a Triton server: inference and state over HTTP, loading over gRPC; its errors become ours here and only here.

`tritonclient` writes and reads the bodies (binary tensors, about 0.5 ms cheaper than JSON); they travel over one plain
connection per call. Its own HTTP client is built on gevent: not thread-safe, and in every new thread (Streamlit makes
one per rerun) it leaves two descriptors open for ever. A load goes over gRPC because over HTTP it blocks the server's
event thread, and with it every client that shares the thread, for as long as it takes.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from backend.adapters.triton.answers import require_probabilities
from backend.adapters.triton.model_config import INPUT, MAX_BATCH, OUTPUT, served_model
from backend.domain.serving import TRITON_MODEL, ServedModel
from backend.errors import DeploymentFailedError, DigitsError, EndpointUnavailableError, InvalidInputError

ANSWER_TIMEOUT_S: Final = 2.0
LOAD_TIMEOUT_S: Final = 30.0
"""A stub that cannot start makes Triton wait for ever; a load that works takes 0.2 s to 2 s."""

_HEADER_LENGTH: Final = "Inference-Header-Content-Length"
_LARGEST_ANSWER: Final = 2**20
_UNREACHABLE: Final = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")


class AnswerTimeoutError(EndpointUnavailableError):
    """The server took the request and did not answer in time: it may be broken, or merely busy."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a model answered: float32 [N, 10], which version it was, and the time from sending to having read."""

    probabilities: npt.NDArray[np.float32]
    version: int
    latency_ms: float


class TritonClient:
    """One server, given by its two addresses (`host:port`). Holds no connection; safe to use from any thread."""

    def __init__(self, *, http_address: str, grpc_address: str) -> None:
        self._http = http_address
        self._grpc = grpc_address

    def server_name(self, *, timeout_s: float = ANSWER_TIMEOUT_S) -> str:
        """The `--id` of the server that answers there. Raises `EndpointUnavailableError`."""
        return str(self._read("/v2", timeout_s).get("name", ""))

    def served(self, *, model: str = TRITON_MODEL, timeout_s: float = ANSWER_TIMEOUT_S) -> ServedModel | None:
        """What `model` serves by its live configuration; None when it is not loaded, or was not loaded by us.

        The digest is the deployment's word; our backend refused to load other bytes under it.
        Raises `EndpointUnavailableError`.
        """
        config = self.config(model=model, timeout_s=timeout_s)
        return None if config is None else served_model(config)

    def config(self, *, model: str = TRITON_MODEL, timeout_s: float = ANSWER_TIMEOUT_S) -> Mapping[str, Any] | None:
        """The live configuration of `model`; None when it is not loaded. Raises `EndpointUnavailableError`."""
        status, body = self._call("GET", f"/v2/models/{model}/ready", timeout_s)
        if status != http.client.OK:
            return None
        status, body = self._call("GET", f"/v2/models/{model}/config", timeout_s)
        return _document(body) if status == http.client.OK else None

    def held(self, *, timeout_s: float = ANSWER_TIMEOUT_S) -> frozenset[tuple[str, int]]:
        """Name and version of every model that takes memory: ready, still loading, or not yet wholly unloaded.

        Raises `EndpointUnavailableError`.
        """
        return frozenset(
            (entry["name"], int(entry["version"]))
            for entry in self._index(timeout_s)
            if entry.get("state", "UNAVAILABLE") != "UNAVAILABLE"
        )

    def listed(self, *, timeout_s: float = ANSWER_TIMEOUT_S) -> frozenset[str]:
        """Name of every folder in the server's model repository, whether anything in it can be loaded or not.

        Raises `EndpointUnavailableError`.
        """
        return frozenset(str(entry["name"]) for entry in self._index(timeout_s))

    def infer(
        self,
        images: npt.NDArray[np.float32],
        *,
        model: str = TRITON_MODEL,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> Reply:
        """Ask `model` about `images`, float32 [N, 28, 28, 1] in [0, 1], N from 1 to 64.

        Raises `InvalidInputError` for other images (pixels in 0..255, above all), `EndpointUnavailableError` when
        nothing answers in time, `DeploymentFailedError` when what answers is not ten probabilities per image.
        """
        require_images(images)
        tensor = InferInput(INPUT, list(images.shape), "FP32")
        tensor.set_data_from_numpy(images)
        body, header_length = InferenceServerClient.generate_request_body(
            [tensor], outputs=[InferRequestedOutput(OUTPUT, binary_data=True)]
        )
        headers = {_HEADER_LENGTH: str(header_length), "Content-Type": "application/octet-stream"}
        begun = time.perf_counter()
        status, answer, answer_header = self._exchange(
            "POST", f"/v2/models/{model}/infer", timeout_s, body=body, headers=headers
        )
        latency_ms = (time.perf_counter() - begun) * 1000
        if status != http.client.OK:
            raise self._refusal(status, answer)
        values, version = self._parse(answer, answer_header)
        probabilities = require_probabilities(values, count=len(images), who=f"Version {version} at {self.url}")
        return Reply(probabilities=probabilities, version=version, latency_ms=latency_ms)

    def load(self, model: str, request: str, *, timeout_s: float = LOAD_TIMEOUT_S) -> None:
        """Load `model` as `request` (`model_config.load_request`) says; what served under that name answers until then.

        Raises `DeploymentFailedError` with Triton's reason when it refuses, `EndpointUnavailableError` when the server
        ended or hangs.
        """
        self._control("load", model, timeout_s, config=request)

    def unload(self, model: str, *, timeout_s: float = LOAD_TIMEOUT_S) -> None:
        """Stop serving `model`; changes nothing when it is not loaded. Raises as `load`."""
        self._control("unload", model, timeout_s)

    @property
    def url(self) -> str:
        """Where it answers over HTTP."""
        return f"http://{self._http}"

    def _control(self, verb: str, model: str, timeout_s: float, **arguments: str) -> None:
        # Not at the top: gRPC costs memory and threads that a dashboard, which loads nothing itself, need not have.
        from tritonclient import grpc

        # A proxy in the environment is not for a server on this machine.
        client = grpc.InferenceServerClient(self._grpc, channel_args=[("grpc.enable_http_proxy", 0)])
        try:
            call = client.load_model if verb == "load" else client.unload_model
            call(model, client_timeout=timeout_s, **arguments)
        except InferenceServerException as error:
            reason = " ".join(str(error.message()).split())[:400]
            if str(error.status()).removeprefix("StatusCode.") in _UNREACHABLE:
                raise EndpointUnavailableError(
                    f"Triton at {self.url} did not {verb} '{model}' within {timeout_s:.0f} s: {reason}."
                ) from error
            raise DeploymentFailedError(f"Triton refused to {verb} '{model}': {reason}") from error
        finally:
            client.close()

    def _index(self, timeout_s: float) -> list[dict[str, Any]]:
        status, body = self._call("POST", "/v2/repository/index", timeout_s)
        if status != http.client.OK:
            raise self._refusal(status, body)
        index: list[dict[str, Any]] = _document(b'{"models": %b}' % body)["models"]
        return index

    def _read(self, path: str, timeout_s: float) -> dict[str, Any]:
        status, body = self._call("GET", path, timeout_s)
        if status != http.client.OK:
            raise self._refusal(status, body)
        return _document(body)

    def _call(self, method: str, path: str, timeout_s: float) -> tuple[int, bytes]:
        status, body, _ = self._exchange(method, path, timeout_s)
        return status, body

    def _exchange(
        self, method: str, path: str, timeout_s: float, *, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, str]:
        connection = http.client.HTTPConnection(self._http, timeout=timeout_s)
        try:
            connection.request(method, path, body or None, headers or {})
            response = connection.getresponse()
            return response.status, response.read(_LARGEST_ANSWER), response.headers.get(_HEADER_LENGTH, "")
        except TimeoutError as error:
            raise AnswerTimeoutError(
                f"The Triton server at {self.url} did not answer within {timeout_s:g} s."
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise EndpointUnavailableError(f"The Triton server at {self.url} cannot be reached: {error}.") from error
        finally:
            connection.close()

    def _refusal(self, status: int, body: bytes) -> DigitsError:
        """400: the request is well-formed, so the model does not take what every model of ours takes."""
        try:
            reason = str(_document(body).get("error", ""))
        except EndpointUnavailableError:
            reason = body[:200].decode(errors="replace")
        kind = DeploymentFailedError if status == http.client.BAD_REQUEST else EndpointUnavailableError
        return kind(f"The Triton server at {self.url} answered {status}: {reason[:400]}")

    def _parse(self, answer: bytes, header_length: str) -> tuple[Any, int]:
        try:
            result = InferenceServerClient.parse_response_body(
                answer, header_length=int(header_length) if header_length else None
            )
            return result.as_numpy(OUTPUT), int(result.get_response()["model_version"])
        except (InferenceServerException, AttributeError, ValueError, KeyError, TypeError) as error:
            raise DeploymentFailedError(f"The answer from {self.url} cannot be read: {error}.") from error


def require_images(images: npt.NDArray[np.float32]) -> None:
    """Raise `InvalidInputError` unless the images are float32 [N, 28, 28, 1] in [0, 1], N from 1 to 64."""
    if images.dtype != np.float32 or images.ndim != 4 or images.shape[1:] != (28, 28, 1):
        raise InvalidInputError(f"Images are {images.dtype} {list(images.shape)}, expected float32 [N, 28, 28, 1].")
    if not 1 <= len(images) <= MAX_BATCH:
        raise InvalidInputError(f"There are {len(images)} images, expected 1 to {MAX_BATCH}.")
    low, high = float(images.min()), float(images.max())
    if not (low >= 0.0 and high <= 1.0):  # written so that NaN fails too
        raise InvalidInputError(
            f"Pixels go from {low:g} to {high:g}, expected 0 to 1.", hint="Pass pixels through `normalise` first."
        )


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise EndpointUnavailableError(f"What answers is not Triton: {body[:80]!r}.") from error
    if not isinstance(document, dict):
        raise EndpointUnavailableError(f"What answers is not Triton: {body[:80]!r}.")
    return document
