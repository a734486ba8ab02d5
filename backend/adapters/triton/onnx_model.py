"""What is in a `model.onnx`, asked in this process before any server sees it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.adapters.triton.answers import require_probabilities
from backend.adapters.triton.model_config import INPUT, OUTPUT
from backend.errors import ArchiveRejectedError, DeploymentFailedError

_TENSORS = {"input": (INPUT, "tensor(float)", [28, 28, 1]), "output": (OUTPUT, "tensor(float)", [10])}


class Rehearsal:
    """The model run in this process, with one thread: what it says before any server has it.

    Takes a model that `require_servable` let pass.
    """

    def __init__(self, content: bytes) -> None:
        # ONNX Runtime reports to its maker by default since 1.29; the choice is read once, when it is first imported.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        self._session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def ask(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Probabilities [N, 10] for float32 [N, 28, 28, 1]. Raises `DeploymentFailedError` for anything else."""
        (answer,) = self._session.run([OUTPUT], {INPUT: images})
        return require_probabilities(answer, count=len(images), who="The model")


def require_servable(content: bytes) -> None:
    """Raise `ArchiveRejectedError` unless the model has our tensors and gives probabilities for two empty images.

    Takes about 0.3 s the first time: onnx and ONNX Runtime are imported here, for deployments only.
    """
    # ONNX Runtime reports to its maker by default since 1.29; the choice is read once, when it is first imported.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime as ort

    _require_self_contained(content)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        _require_tensors("input", session.get_inputs())
        _require_tensors("output", session.get_outputs())
        (answer,) = session.run([OUTPUT], {INPUT: np.zeros((2, 28, 28, 1), np.float32)})
        require_probabilities(answer, count=2, who="The model")
    except ArchiveRejectedError:
        raise
    except DeploymentFailedError as error:
        raise ArchiveRejectedError(error.message) from error
    except Exception as error:  # ONNX Runtime's errors have no base class of their own
        raise ArchiveRejectedError(f"model.onnx cannot be run: {str(error).strip()[:300]}") from error


def _require_self_contained(content: bytes) -> None:
    """Weights kept outside the file are paths, and a path in an untrusted model could name any file of this machine."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise ArchiveRejectedError(f"model.onnx is not an ONNX file: {error}.") from error
    outside = [tensor.name for tensor in _tensors(model) if tensor.data_location == onnx.TensorProto.EXTERNAL]
    if outside:
        raise ArchiveRejectedError(f"model.onnx keeps '{outside[0][:80]}' in another file; everything must be in it.")


def _tensors(message: Any) -> Iterator[Any]:
    """Every tensor anywhere in the model: weights, constants, attributes of nested graphs and functions."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for item in value if _is_repeated(value) else (value,):
            if field.message_type.full_name == "onnx.TensorProto":
                yield item
            else:
                yield from _tensors(item)


def _is_repeated(value: Any) -> bool:
    return not hasattr(value, "ListFields")


def _require_tensors(kind: str, tensors: list[Any]) -> None:
    name, type_, shape = _TENSORS[kind]
    observed = [(tensor.name, tensor.type, list(tensor.shape[1:])) for tensor in tensors]
    if observed != [(name, type_, shape)]:
        raise ArchiveRejectedError(f"model.onnx has the {kind} {observed}, expected [{(name, type_, shape)}].")
    if isinstance(tensors[0].shape[0], int):
        raise ArchiveRejectedError(
            f"model.onnx takes batches of exactly {tensors[0].shape[0]} at '{name}', expected any size."
        )
