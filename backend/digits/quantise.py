"""A float32 ONNX graph in fewer bits: weights in 16, or weights and what flows between the layers in 8."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from .normalise import normalise
from .onnx_graph import canonical
from .triton_config import INPUT_NAME

CALIBRATION_IMAGES: Final = 512
_CALIBRATION_BATCH: Final = 64
_LAYERS: Final = ("Conv", "Gemm")
_BETWEEN: Final = ("Relu", "MaxPool", "Concat", "Transpose", "Reshape")
"""What passes numbers on as they are: with these in 8 bits too, nothing is unpacked between two layers."""


def half(proto: Any) -> Any:
    """The graph with weights and arithmetic in float16. Images, softmax and probabilities stay float32: rows of
    probabilities that were rounded would no longer sum to 1.
    """
    graph = proto.graph
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    *body, softmax = graph.node
    for node in body:
        node.input[:] = ["image_in_half" if name == INPUT_NAME else name for name in node.input]
    (logits,) = softmax.input
    softmax.input[:] = ["logits_in_full"]
    nodes = [
        helper.make_node("Cast", [INPUT_NAME], ["image_in_half"], to=TensorProto.FLOAT16),
        *body,
        helper.make_node("Cast", [logits], ["logits_in_full"], to=TensorProto.FLOAT),
        softmax,
    ]
    return canonical(_with_nodes(proto, nodes))


def eight_bits(proto: Any, images: npt.NDArray[np.uint8], *, for_tensorrt: bool) -> Any:
    """The graph in 8 bits: weights signed, a scale for each channel; between the layers unsigned, over the range that
    the `images` uint8 [n, 28, 28] give there. The last layer's sums and the softmax stay float32.

    The sums of unsigned by signed bytes are exact where the processor has VNNI (or ARM's dot product); older ones may
    clip the largest, which the comparison with Keras sees where the training ran.

    TensorRT takes only signed numbers around zero, and a file whose weights and biases are still float32 behind a pair
    of quantise and dequantise nodes of their own (https://docs.nvidia.com/deeplearning/tensorrt, "Explicit
    Quantization"; onnxruntime issue 14229): with `for_tensorrt` it gets one, which is no smaller and, on a CPU, slow.
    """
    # ONNX Runtime reports to its maker by default since 1.29; the choice is read once, when it is first imported.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    options: dict[str, Any] = {"WeightSymmetric": True, "OpTypesToExcludeOutputQuantization": ["Gemm"]}
    if for_tensorrt:
        options |= {
            "ActivationSymmetric": True,
            "AddQDQPairToWeight": True,
            "DedicatedQDQPair": True,
            "QuantizeBias": False,
            "OpTypesToExcludeOutputQuantization": list(_LAYERS),
        }
    # It wants a model that was prepared, or else says so on the root logger, for which it sets up a handler.
    helper.set_model_props(proto, {"onnx.quant.pre_process": "onnxruntime.quant"})
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.onnx"
        quantize_static(
            proto,
            path,
            _Calibration(images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8 if for_tensorrt else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=list(_LAYERS if for_tensorrt else (*_LAYERS, *_BETWEEN)),
            extra_options=options,
        )
        return canonical(onnx.load(path))


class _Calibration:
    """The images in batches, as ONNX Runtime's `CalibrationDataReader` wants them."""

    def __init__(self, images: npt.NDArray[np.uint8]) -> None:
        self._batches: Iterator[npt.NDArray[np.uint8]] = iter(
            [images[first : first + _CALIBRATION_BATCH] for first in range(0, len(images), _CALIBRATION_BATCH)]
        )

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT_NAME: normalise(batch)}


def _with_nodes(proto: Any, nodes: list[Any]) -> Any:
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del proto.graph.node[:]
    proto.graph.node.extend(kept)
    return proto
