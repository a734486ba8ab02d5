"""What answers on an endpoint: the archive's own model, run by ONNX Runtime, in the protocol of SageMaker's Triton."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import numpy as np
import onnxruntime as ort

from tests.fakes.aws.endpoints import Endpoints
from tests.fakes.aws.faults import AwsFault

_BINARY = "application/vnd.sagemaker-triton.binary+json;json-header-size="


class Triton:
    """`server.Runtime`. `fetch` gives the bytes of an object of S3; each answer is counted in CloudWatch."""

    def __init__(self, fetch: Callable[[str], bytes], count: Callable[[str, float], None]) -> None:
        self._fetch = fetch
        self._count = count
        self.endpoints: Endpoints | None = None
        self.failing = ""
        """Not empty: every request is answered with this error of the container."""
        self._sessions: dict[str, ort.InferenceSession] = {}

    def reset(self) -> None:
        self.failing = ""
        self._sessions.clear()

    def starts(self, model_data: str) -> str:
        """Why a container with this archive does not pass its health check; "" when it does."""
        try:
            self._session(model_data)
        except Exception as error:  # noqa: BLE001 - whatever it is, the container does not come up
            return (
                f"The primary container for production variant AllTraffic did not pass the ping health check. {error}"
            )
        return ""

    def invoke_endpoint(self, name: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        assert self.endpoints is not None
        session = self._session(self.endpoints.model_data(name))
        begun = time.perf_counter()
        if self.failing:
            raise _model_error(500, self.failing)
        images, binary = _read(content_type, body)
        try:
            (answer,) = session.run(["output_1"], {"input_1": images})
        except Exception as error:
            raise _model_error(400, str(error)[:200]) from error
        self._count(name, (time.perf_counter() - begun) * 1e6)
        return _written(answer, binary)

    def _session(self, model_data: str) -> ort.InferenceSession:
        if model_data not in self._sessions:
            with tarfile.open(fileobj=io.BytesIO(self._fetch(model_data))) as tar:
                member = tar.extractfile("mnist/1/model.onnx")
                assert member is not None
                self._sessions[model_data] = ort.InferenceSession(member.read(), providers=["CPUExecutionProvider"])
        return self._sessions[model_data]


def _read(content_type: str, body: bytes) -> tuple[Any, bool]:
    found = re.match(re.escape(_BINARY) + r"(\d+)", content_type)
    try:
        length = int(found[1]) if found else len(body)
        header = json.loads(body[:length])
        (tensor,) = [t for t in header["inputs"] if (t["name"], t["datatype"]) == ("input_1", "FP32")]
        size = tensor.get("parameters", {}).get("binary_data_size")
        raw = body[length:]
        values = np.array(tensor["data"], np.float32) if size is None else np.frombuffer(raw[:size], "<f4")
        return values.reshape(tensor["shape"]), bool(header["outputs"][0].get("parameters", {}).get("binary_data"))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise _model_error(400, f"failed to parse the request: {error}") from error


def _written(answer: Any, binary: bool) -> tuple[str, bytes]:
    tensor: dict[str, Any] = {"name": "output_1", "datatype": "FP32", "shape": list(answer.shape)}
    header: dict[str, Any] = {"model_name": "mnist", "model_version": "1", "outputs": [tensor]}
    if not binary:
        tensor["data"] = answer.ravel().tolist()
        return "application/json", json.dumps(header).encode()
    raw = answer.astype("<f4").tobytes()
    tensor["parameters"] = {"binary_data_size": len(raw)}
    text = json.dumps(header).encode()
    return f"{_BINARY}{len(text)}", text + raw


def _model_error(status: int, message: str) -> AwsFault:
    side = "client" if status < 500 else "server"
    return AwsFault(
        code="ModelError",
        message=f'Received {side} error ({status}) from primary with message "{message}". See CloudWatch logs.',
        status=424,
    )


def metric_data(endpoint: str, microseconds: float) -> list[tuple[str, list[dict[str, Any]]]]:
    """What CloudWatch gets of one invocation: namespace and data; moto keeps its times without a zone."""
    now = datetime.now(UTC).replace(tzinfo=None)

    def datum(name: str, value: float, unit: str) -> dict[str, Any]:
        return {
            "MetricName": name,
            "Value": value,
            "Unit": unit,
            "Timestamp": now,
            "Dimensions": [
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": "AllTraffic"},
            ],
        }

    requests = [
        datum("Invocations", 1.0, "None"),
        datum("Invocation5XXErrors", 0.0, "None"),
        datum("Invocation4XXErrors", 0.0, "None"),
        datum("ModelLatency", microseconds, "Microseconds"),
        datum("OverheadLatency", 900.0, "Microseconds"),
    ]
    machine = [datum("CPUUtilization", 25.0, "Percent"), datum("MemoryUtilization", 30.0, "Percent")]
    return [("AWS/SageMaker", requests), ("/aws/sagemaker/Endpoints", machine)]
