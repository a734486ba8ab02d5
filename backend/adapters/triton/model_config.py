"""Triton's model configuration: what an archive may say, and what a load is asked to do.

An archive comes from outside, and Triton's configuration can name files to run (`EXECUTION_ENV_PATH`, repository
agents, warm-up data). So only what this product knows is taken over; anything else is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import text_format

from backend.digits.triton_config import config_pbtxt
from backend.domain.serving import TRITON_MODEL, ServedModel
from backend.errors import ArchiveRejectedError

INPUT: Final = "input_1"
OUTPUT: Final = "output_1"
BACKEND: Final = "onnxruntime"
MAX_BATCH: Final = 64
CANDIDATE: Final = f"{TRITON_MODEL}_candidate"
"""The name under which a version is loaded and asked before it replaces what serves."""

_INPUT_DIMS: Final = [28, 28, 1]
_OUTPUT_DIMS: Final = [10]
_MAX_INSTANCES: Final = 8
_ANY_GPU: Final = "ml.g5.xlarge"
_WARM_UP: Final = [
    {
        "name": "first executions",
        "batch_size": 1,
        "count": 3,
        "inputs": {INPUT: {"data_type": "TYPE_FP32", "dims": _INPUT_DIMS, "zero_data": True}},
    }
]
"""Every instance of a model answers these before it takes traffic: its first executions take some 30 ms each, and at a
switch the clients of that moment would wait for them."""
_BATCHING: Final = {"preferred_batch_size": [8, 16, 32]}
"""Of this server, whatever the archive prefers: under load the two copies of the model take such batches in turn while
the server reads the next requests; with batches as large as the queue one copy would wait for the other. No request
ever waits for a batch to fill. Measured by `tests.bench.serving_choices`."""
_PARAMETERS: Final = ("intra_op_thread_count", "inter_op_thread_count")
_KNOWN: Final = {
    "name",
    "backend",
    "max_batch_size",
    "input",
    "output",
    "dynamic_batching",
    "instance_group",
    "optimization",
    "parameters",
    "version_policy",
    "default_model_filename",
}


def parse_config(text: str) -> dict[str, Any]:
    """The part of a `config.pbtxt` that is served, as the JSON values that Triton's load takes.

    An archive made for a GPU asks for one, and for TensorRT; the embedded server has neither and serves it on the CPU.
    Raises `ArchiveRejectedError` for a configuration that is not ours: other tensors, backend or fields.
    """
    from tritonclient.grpc import model_config_pb2  # costs 0.3 s and gRPC; only deployments need it

    try:
        config = text_format.Parse(text, model_config_pb2.ModelConfig())
    except text_format.ParseError as error:
        raise ArchiveRejectedError(f"config.pbtxt is not a Triton model configuration: {error}.") from error
    for field, _ in config.ListFields():
        if field.name not in _KNOWN:
            raise ArchiveRejectedError(f"config.pbtxt sets '{field.name}'; known are {', '.join(sorted(_KNOWN))}.")
    _require("name", config.name or TRITON_MODEL, TRITON_MODEL)
    _require("backend", config.backend, BACKEND)
    _require("file", config.default_model_filename or "model.onnx", "model.onnx")
    tensor = ("name", "data_type", "dims")
    types = model_config_pb2.DataType
    inputs = [{"name": t.name, "data_type": types.Name(t.data_type), "dims": list(t.dims)} for t in config.input]
    outputs = [{"name": t.name, "data_type": types.Name(t.data_type), "dims": list(t.dims)} for t in config.output]
    _require("input", inputs, [dict(zip(tensor, (INPUT, "TYPE_FP32", _INPUT_DIMS), strict=True))])
    _require("output", outputs, [dict(zip(tensor, (OUTPUT, "TYPE_FP32", _OUTPUT_DIMS), strict=True))])
    if config.max_batch_size < MAX_BATCH:
        raise ArchiveRejectedError(
            f"config.pbtxt allows batches of {config.max_batch_size}, expected at least {MAX_BATCH}."
        )
    _require_known_hardware(config)
    return {
        "backend": BACKEND,
        "max_batch_size": config.max_batch_size,
        "input": inputs,
        "output": outputs,
        **({"dynamic_batching": _BATCHING} if config.HasField("dynamic_batching") else {}),
        "instance_group": [{"count": _instances(config), "kind": "KIND_CPU"}],
        "parameters": {name: {"string_value": value} for name, value in _parameters(config).items()},
    }


def load_request(config: Mapping[str, Any], *, name: str, model: ServedModel, onnx_sha256: str, generation: str) -> str:
    """The configuration, as JSON, with which exactly this version is loaded under `name`.

    Triton answers with `model.version`; the backend refuses a file without the digest `onnx_sha256`; a `generation`
    not used before makes Triton load anew what it believes to be loaded (it does not notice a stub that died).
    """
    parameters = {
        **config["parameters"],
        "archive_sha256": {"string_value": model.sha256},
        "onnx_sha256": {"string_value": onnx_sha256},
        "generation": {"string_value": generation},
    }
    changed = {
        "name": name,
        "version_policy": {"specific": {"versions": [model.version]}},
        "parameters": parameters,
        "model_warmup": _WARM_UP,
    }
    return json.dumps({**config, **changed})


def served_model(config: Mapping[str, Any]) -> ServedModel | None:
    """Which model a live configuration (Triton's JSON) names; None when it was not loaded by `load_request`."""
    versions = config.get("version_policy", {}).get("specific", {}).get("versions", [])
    sha256 = config.get("parameters", {}).get("archive_sha256", {}).get("string_value", "")
    if len(versions) != 1 or not sha256:
        return None
    return ServedModel(version=int(versions[0]), sha256=str(sha256))


def _require(what: str, observed: object, expected: object) -> None:
    if observed != expected:
        raise ArchiveRejectedError(f"config.pbtxt has the {what} {observed!r}, expected {expected!r}.")


def _require_known_hardware(config: Any) -> None:
    """TensorRT's parameters can name files: it is taken as our training asks for it, to the letter, or not at all."""
    from tritonclient.grpc import model_config_pb2

    kinds = model_config_pb2.ModelInstanceGroup.Kind
    for group in config.instance_group:
        if group.kind not in (kinds.Value("KIND_AUTO"), kinds.Value("KIND_CPU"), kinds.Value("KIND_GPU")):
            raise ArchiveRejectedError(
                f"config.pbtxt asks for instances of the {kinds.Name(group.kind)}, expected KIND_CPU or KIND_GPU."
            )
    ours = (config_pbtxt(precision=precision, instance=_ANY_GPU) for precision in ("fp16", "int8"))
    known = [text_format.Parse(text, model_config_pb2.ModelConfig()).optimization for text in ours]
    if config.HasField("optimization") and config.optimization not in known:
        asked = text_format.MessageToString(config.optimization, as_one_line=True)
        raise ArchiveRejectedError(
            f"config.pbtxt asks for the optimization '{asked[:200]}', expected TensorRT as training writes it."
        )


def _instances(config: Any) -> int:
    count = sum(group.count or 1 for group in config.instance_group) or 1
    if count > _MAX_INSTANCES:
        raise ArchiveRejectedError(f"config.pbtxt asks for {count} instances, at most {_MAX_INSTANCES} are started.")
    return int(count)


def _parameters(config: Any) -> dict[str, str]:
    for name, parameter in config.parameters.items():
        value = parameter.string_value
        if name not in _PARAMETERS or not value.isascii() or not value.isdigit() or not 1 <= int(value[:6]) <= 64:
            raise ArchiveRejectedError(
                f"config.pbtxt sets the parameter '{name}' to '{value[:40]}'; "
                f"known are {' and '.join(_PARAMETERS)}, from 1 to 64."
            )
    return {name: parameter.string_value for name, parameter in config.parameters.items()}
