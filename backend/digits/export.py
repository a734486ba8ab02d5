"""From a trained Keras model to the archive that every Triton serves: an ONNX file and its configuration."""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
import onnx
import tf2onnx  # noqa: F401 - Keras would import it later, beside the W&B thread

from .evaluate import predict
from .failures import ExportError
from .model import INPUT_NAME, OUTPUT_NAME
from .normalise import normalise

TOLERANCE: Final = 1e-4
CHECKED_IMAGES: Final = 1_000
_MODEL: Final = "mnist"

CONFIG_PBTXT: Final = f"""\
name: "{_MODEL}"
backend: "onnxruntime"
max_batch_size: 64
input [
  {{ name: "{INPUT_NAME}", data_type: TYPE_FP32, dims: [ 28, 28, 1 ] }}
]
output [
  {{ name: "{OUTPUT_NAME}", data_type: TYPE_FP32, dims: [ 10 ] }}
]
dynamic_batching {{ }}
instance_group [
  {{ count: 2, kind: KIND_CPU }}
]
parameters {{ key: "intra_op_thread_count" value: {{ string_value: "1" }} }}
parameters {{ key: "inter_op_thread_count" value: {{ string_value: "1" }} }}
"""
"""One thread per instance: a second one costs milliseconds at the 99th percentile on a busy machine."""


def export(model: keras.Model, folder: Path, check_images: npt.NDArray[np.uint8]) -> Path:
    """Write `mnist/config.pbtxt` and `mnist/1/model.onnx` under `folder` and return the ONNX file.

    The file takes `input_1` float32 [batch, 28, 28, 1] in 0..1 and gives `output_1` float32 [batch, 10]. It is checked
    against the Keras model on `check_images` uint8 [n, 28, 28]: raises `ExportError` if a label differs, or a
    probability by more than 1e-4.
    """
    proto = _canonical(_named(_convert(model)))
    onnx.checker.check_model(proto, full_check=True)
    version = folder / _MODEL / "1"
    version.mkdir(parents=True, exist_ok=True)
    onnx_file = version / "model.onnx"
    onnx.save(proto, onnx_file)
    check_same(model, onnx_file, check_images)
    (folder / _MODEL / "config.pbtxt").write_text(CONFIG_PBTXT, encoding="utf-8")
    return onnx_file


def check_same(model: keras.Model, onnx_file: Path, images: npt.NDArray[np.uint8]) -> None:
    """Raises `ExportError` unless file and model give the same labels and, within 1e-4, the same probabilities."""
    expected = model.predict(normalise(images), batch_size=500, verbose=0)
    observed = predict(onnx_file, images)
    apart = float(np.abs(observed - expected).max())
    changed = np.flatnonzero(observed.argmax(axis=1) != expected.argmax(axis=1))
    # NaN compares false to everything, so the test is for being near, not for being far.
    if len(changed) or not apart <= TOLERANCE:
        raise ExportError(
            f"The exported model is not the trained one: {len(changed)} of {len(images)} labels differ, and "
            f"probabilities by up to {apart:.2g}; expected none, and at most {TOLERANCE:g}."
        )


def _convert(model: keras.Model) -> Any:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.onnx"
        # It prints where the scratch file was, and Keras asks NumPy for names that are gone.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            model.export(path, format="onnx", verbose=False)
        return onnx.load(path)


def _named(proto: Any) -> Any:
    """Keras keeps the input's name but calls the output `Identity:0`; the batch gets a name too."""
    graph = proto.graph
    (image,), (output,) = graph.input, graph.output
    if image.name != INPUT_NAME:
        raise ExportError(f"The exported input is called '{image.name}'; expected '{INPUT_NAME}'.")
    old = output.name
    for node in graph.node:
        node.input[:] = [OUTPUT_NAME if name == old else name for name in node.input]
        node.output[:] = [OUTPUT_NAME if name == old else name for name in node.output]
    output.name = OUTPUT_NAME
    for tensor in (image, output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    return proto


def _canonical(proto: Any) -> Any:
    """Inner tensors named and stored in the order of their use, so that the same weights give the same bytes.

    The converter names what it folds in an order that changes from process to process; a digest must not.
    """
    graph = proto.graph
    names = {name: name for name in (INPUT_NAME, OUTPUT_NAME, "")}
    for node in graph.node:
        for name in (*node.input, *node.output):
            names.setdefault(name, f"tensor_{len(names)}")
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    used = [tensor for tensor in graph.initializer if tensor.name in names]
    order = list(names)
    used.sort(key=lambda tensor: order.index(tensor.name))
    for tensor in used:
        tensor.name = names[tensor.name]
    del graph.initializer[:]
    graph.initializer.extend(used)
    del graph.value_info[:]
    return proto
