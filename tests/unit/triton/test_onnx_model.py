from __future__ import annotations

import numpy as np
import onnx
import pytest

from backend.adapters.triton.onnx_model import require_servable
from backend.errors import ArchiveRejectedError
from tests.contract import archives


def changed(change: str) -> bytes:
    model = onnx.load_model_from_string(archives.template_model())
    image = model.graph.input[0].type.tensor_type
    if change == "batch of one":
        image.shape.dim[0].dim_value = 1
    elif change == "outside":
        weights = model.graph.initializer[0]
        weights.ClearField("raw_data")
        weights.data_location = onnx.TensorProto.EXTERNAL
        weights.external_data.add(key="location", value="../../etc/passwd")
    elif change == "outside, deep inside":
        inner = onnx.helper.make_graph([], "inner", [], [], [onnx.TensorProto(name="hidden")])
        inner.initializer[0].data_location = onnx.TensorProto.EXTERNAL
        model.graph.node[0].attribute.add(name="body", type=onnx.AttributeProto.GRAPH).g.CopyFrom(inner)
    return model.SerializeToString()


def test_a_working_model_passes() -> None:
    require_servable(archives.template_model())


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (b"", "cannot be run|not an ONNX|has the input"),
        (b"\xff" * 100, "not an ONNX file"),
        (archives.renamed_model(), "output .*dense_2"),
        (archives.not_a_number_model(), "not finite"),
        (archives.unnormalised_model(), "no probabilities"),
        (archives.linear_model(weights=np.zeros((784, 10)), bias=np.zeros(10), inputs="image"), "input .*image"),
        (changed("batch of one"), "batches of exactly 1"),
        (changed("outside"), "keeps 'weights' in another file"),
        (changed("outside, deep inside"), "keeps 'hidden' in another file"),
    ],
)
def test_everything_else_is_refused_with_the_reason(model: bytes, said: str) -> None:
    with pytest.raises(ArchiveRejectedError, match=said):
        require_servable(model)
