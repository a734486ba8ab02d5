"""A model that needs no training: it compares an image with one template per known digit.

The doctor serves it to prove the whole chain from archive to answer, on a machine that has no model yet.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from backend.adapters.triton.canary import canary_images

CONFIG: Final = """\
name: "mnist"
backend: "onnxruntime"
max_batch_size: 64
input [ { name: "input_1", data_type: TYPE_FP32, dims: [ 28, 28, 1 ] } ]
output [ { name: "output_1", data_type: TYPE_FP32, dims: [ 10 ] } ]
dynamic_batching { }
instance_group [ { count: 1, kind: KIND_CPU } ]
"""


def write_canary_archive(path: Path) -> None:
    """Write a servable model.tar.gz whose model reads the known digits right."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in (("mnist/config.pbtxt", CONFIG.encode()), ("mnist/1/model.onnx", template_model())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def template_model(sharpness: float = 1.0) -> bytes:
    """Nearest template: softmax of the image's similarity to the ten known digits, as an ONNX file.

    By |x - t|^2 = |x|^2 - 2 x.t + |t|^2, the nearest template has the largest x.t - |t|^2 / 2: one linear layer.
    """
    templates = canary_images().reshape(10, 784).T.astype(np.float64)
    return linear_model(weights=sharpness * templates, bias=-sharpness * (templates**2).sum(axis=0) / 2)


def linear_model(
    *, weights: Any, bias: Any, inputs: str = "input_1", outputs: str = "output_1", last: str = "Softmax"
) -> bytes:
    """An ONNX file for float32 [batch, 28, 28, 1] to [batch, 10]; weights [784, 10], bias [10], `last` ends it."""
    # Slow to import, and only the doctor and tests make models here.
    from onnx import TensorProto, helper, numpy_helper

    attributes = {"axis": 1} if last == "Softmax" else {}
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", [inputs], ["flat"]),
            helper.make_node("Gemm", ["flat", "weights", "bias"], ["scores"]),
            helper.make_node(last, ["scores"], [outputs], **attributes),
        ],
        "linear",
        [helper.make_tensor_value_info(inputs, TensorProto.FLOAT, ["batch", 28, 28, 1])],
        [helper.make_tensor_value_info(outputs, TensorProto.FLOAT, ["batch", 10])],
        [
            numpy_helper.from_array(np.asarray(weights, np.float32), "weights"),
            numpy_helper.from_array(np.asarray(bias, np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())
