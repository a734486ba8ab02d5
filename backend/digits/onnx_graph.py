"""From a Keras network to an ONNX graph: the archive's names, few operations, the same bytes for the same weights."""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from pathlib import Path
from typing import Any

import keras
import onnx
import tf2onnx  # noqa: F401 - Keras would import it later, beside the W&B thread

from .failures import ExportError
from .triton_config import INPUT_NAME, OUTPUT_NAME


def to_onnx(network: keras.Model) -> Any:
    """The network as an ONNX model with the archive's tensor names, in canonical form."""
    return canonical(_joined(_named(_converted(network))))


def canonical(proto: Any) -> Any:
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
    del proto.metadata_props[:]
    graph.doc_string = ""  # it counts the functions that TensorFlow traced before: more of them after a resume
    return proto


def _converted(network: keras.Model) -> Any:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.onnx"
        # It prints where the scratch file was, and Keras asks NumPy for names that are gone.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            network.export(path, format="onnx", verbose=False)
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


def _joined(proto: Any) -> Any:
    """Each product with a weight matrix and the addition after it as one `Gemm`, which also exists for 8 bits."""
    graph = proto.graph
    weights = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    uses = [name for node in graph.node for name in node.input]
    nodes: list[Any] = []
    for node in graph.node:
        before = nodes[-1] if nodes else None
        if node.op_type == "Add" and before is not None and before.op_type == "MatMul":
            (product,) = before.output
            others = [name for name in node.input if name != product]
            joinable = weights.get(before.input[1]) == 2 and [weights.get(name) for name in others] == [1]
            if joinable and uses.count(product) == 1:
                nodes[-1] = onnx.helper.make_node("Gemm", [*before.input, *others], list(node.output))
                continue
        nodes.append(node)
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
    return proto
