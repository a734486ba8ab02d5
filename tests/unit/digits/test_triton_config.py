"""What an archive asks of Triton, read by Triton's own messages."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from backend.digits.triton_config import config_pbtxt, has_nvidia_gpu


def parsed(precision: str, instance: str) -> Any:
    return text_format.Parse(config_pbtxt(precision=precision, instance=instance), ModelConfig())


@pytest.mark.parametrize(
    "instance",
    [
        "ml.g4dn.xlarge",
        "ml.g5.xlarge",
        "ml.g6.2xlarge",
        "ml.g6e.xlarge",
        "ml.gr6.4xlarge",
        "ml.p2.xlarge",
        "ml.p3.2xlarge",
        "ml.p4d.24xlarge",
        "ml.p5.48xlarge",
        "ml.p6-b200.48xlarge",
    ],
)
def test_families_with_an_nvidia_gpu_are_known(instance: str) -> None:
    assert has_nvidia_gpu(instance)


@pytest.mark.parametrize(
    "instance",
    [
        "local",
        "ml.c5.xlarge",
        "ml.m6g.large",
        "ml.c7g.xlarge",
        "ml.inf2.xlarge",
        "ml.trn1.2xlarge",
        "ml.g4ad.xlarge",
        "ml.t2.medium",
        "ml.r7gd.large",
        "g5.xlarge",
    ],
)
def test_others_are_no_place_for_tensorrt(instance: str) -> None:
    assert not has_nvidia_gpu(instance)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int8-qat"])
@pytest.mark.parametrize("instance", ["local", "ml.c5.xlarge", "ml.g5.xlarge"])
def test_the_configuration_has_the_archives_tensors_on_whatever_it_is_served(precision: str, instance: str) -> None:
    config = parsed(precision, instance)

    assert (config.name, config.backend, config.max_batch_size) == ("mnist", "onnxruntime", 64)
    assert [(tensor.name, tensor.data_type, list(tensor.dims)) for tensor in (*config.input, *config.output)] == [
        ("input_1", 11, [28, 28, 1]),
        ("output_1", 11, [10]),
    ]
    assert config.HasField("dynamic_batching")
    values = {name: parameter.string_value for name, parameter in config.parameters.items()}
    assert values == {"intra_op_thread_count": "1", "inter_op_thread_count": "1"}


def test_without_a_gpu_nothing_is_asked_for() -> None:
    config = parsed("int8", "ml.c5.xlarge")

    (group,) = config.instance_group
    assert (group.count, group.kind) == (2, type(group).KIND_CPU)
    assert not config.HasField("optimization")


@pytest.mark.parametrize(
    ("precision", "mode"), [("fp32", "FP16"), ("fp16", "FP16"), ("int8", "INT8"), ("int8-qat", "INT8")]
)
def test_with_a_gpu_tensorrt_is_asked_for_with_the_batches_that_will_come(precision: str, mode: str) -> None:
    config = parsed(precision, "ml.g5.xlarge")

    (group,) = config.instance_group
    assert group.kind == type(group).KIND_GPU
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "tensorrt"
    parameters = dict(accelerator.parameters)
    assert parameters["precision_mode"] == mode
    assert parameters["max_workspace_size_bytes"] == "1073741824"
    assert parameters["trt_engine_cache_enable"] == "true"
    shapes = [parameters[f"trt_profile_{bound}_shapes"] for bound in ("min", "opt", "max")]
    assert shapes == ["input_1:1x28x28x1", "input_1:16x28x28x1", f"input_1:{config.max_batch_size}x28x28x1"]
    assert not config.optimization.execution_accelerators.cpu_execution_accelerator
