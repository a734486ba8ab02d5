"""The Triton backend `onnxruntime` of the embedded server: ONNX Runtime inside Triton's Python backend.

Triton runs this file in the serving environment; it imports nothing of the product. A model whose configuration says
`backend: "onnxruntime"` is served by it unmodified, as NVIDIA's containers serve it with their native backend.

Nothing goes live unchecked: `initialize` refuses a file whose digest is not the one the deployment named, tensors that
differ from the configuration by name, type or shape (Triton itself notices a wrong output name only when a client
asks), and a model that does not answer an empty image. A refused load leaves the version that serves untouched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils

_TYPES = {"tensor(float)": "TYPE_FP32", "tensor(uint8)": "TYPE_UINT8", "tensor(int64)": "TYPE_INT64"}


class TritonPythonModel:
    """One instance of one version; Triton calls `initialize`, then `execute` for each batch of requests."""

    # Both are held as long as the version is loaded: Triton 2.51 crashes, in about one load of a hundred, when the
    # family goes before its metric.
    _family: Any = None
    _metric: Any = None

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load and check the model; raises `ValueError` (the answer to the load) when it must not be served."""
        require_old_numpy(np.__version__)
        config = json.loads(args["model_config"])
        path = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        content = path.read_bytes()
        self._digest = require_digest(content, parameter(config, "onnx_sha256"))
        self._session = ort.InferenceSession(content, session_options(config), providers=["CPUExecutionProvider"])
        require_tensors("input", config["input"], self._session.get_inputs())
        require_tensors("output", config["output"], self._session.get_outputs())
        (taken,), (given,) = config["input"], config["output"]
        self._input, self._output = taken["name"], given["name"]
        shape = [1, *(int(size) for size in taken["dims"])]
        self._session.run([self._output], {self._input: np.zeros(shape, np.float32)})
        if args["model_instance_name"].endswith("_0_0"):  # one of the instances speaks for all
            self._publish(args)

    def finalize(self) -> None:
        """Take the metric back when the version is unloaded."""
        self._metric = None
        self._family = None

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer the requests that Triton gathered, with one run over all of their images.

        Triton has compared each request with the configuration: it has our one input. What Python does for each request
        is a fifth of this process's work when it is busy, so names are not searched for and answers not copied.
        """
        try:
            tensors = [request.inputs()[0].as_numpy() for request in requests]
            batch = tensors[0] if len(tensors) == 1 else np.concatenate(tensors)
            (result,) = self._session.run([self._output], {self._input: batch})
        except Exception as error:  # noqa: BLE001 - whatever it is, the requests must get an answer and the stub must live
            failure = pb_utils.TritonError(f"{type(error).__name__}: {error}")
            return [pb_utils.InferenceResponse(output_tensors=[], error=failure) for _ in requests]
        responses, begin = [], 0
        for tensor in tensors:
            end = begin + len(tensor)
            # Whole rows of the result lie beside each other already.
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor(self._output, result[begin:end])]))
            begin = end
        return responses

    def _publish(self, args: Mapping[str, str]) -> None:
        self._family = pb_utils.MetricFamily(
            name="served_model_info",
            description="1 for each loaded version, with the SHA-256 of the bytes given to ONNX Runtime",
            kind=pb_utils.MetricFamily.GAUGE,
        )
        self._metric = self._family.Metric(
            labels={"model": args["model_name"], "version": args["model_version"], "sha256": self._digest}
        )
        self._metric.set(1)


def require_old_numpy(version: str) -> None:
    """Triton's stub reads NumPy 2 arrays at NumPy 1's offsets: the model would see and give wrong numbers."""
    if int(version.split(".")[0]) >= 2:
        raise ValueError(f"NumPy is {version}: the stub needs NumPy below 2")


def require_digest(content: bytes, expected: str) -> str:
    """The SHA-256 of the model's bytes; it must be `expected`, unless nothing is expected."""
    digest = hashlib.sha256(content).hexdigest()
    if expected and digest != expected:
        raise ValueError(f"model.onnx has SHA-256 {digest}, expected {expected}")
    return digest


def require_tensors(kind: str, configured: Sequence[Mapping[str, Any]], actual: Sequence[Any]) -> None:
    """The model's tensors must be the configured ones; the first dimension is the batch's and free."""
    wanted = {tensor["name"]: (tensor["data_type"], [int(size) for size in tensor["dims"]]) for tensor in configured}
    found = {tensor.name: (_TYPES.get(tensor.type, tensor.type), list(tensor.shape[1:])) for tensor in actual}
    if wanted != found:
        raise ValueError(f"the model's {kind} is {found}, the configuration's is {wanted}")
    for tensor in actual:
        if isinstance(tensor.shape[0], int):
            raise ValueError(f"{kind} '{tensor.name}' has the batch size {tensor.shape[0]}, expected any")  # noqa: TRY004


def session_options(config: Mapping[str, Any]) -> Any:
    """One thread per instance unless the configuration says otherwise (the native backend's own parameter names)."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = int(parameter(config, "intra_op_thread_count") or 1)
    options.inter_op_num_threads = int(parameter(config, "inter_op_thread_count") or 1)
    return options


def parameter(config: Mapping[str, Any], name: str) -> str:
    """The value of a parameter of the model's configuration, as text; empty when it is not set."""
    return str(config.get("parameters", {}).get(name, {}).get("string_value", ""))
