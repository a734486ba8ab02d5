"""The `config.pbtxt` of an archive: how every Triton is to serve it, and on which hardware."""

from __future__ import annotations

import re
from typing import Final

INPUT_NAME: Final = "input_1"
OUTPUT_NAME: Final = "output_1"
MODEL: Final = "mnist"
MAX_BATCH: Final = 64
LOCAL: Final = "local"
"""A serving instance that is this machine, and no GPU is asked for."""

_NVIDIA: Final = re.compile(r"ml\.(?:g(?!4ad)|gr|p)\d")
"""Families with NVIDIA GPUs: g4dn, g5, g6, g6e, g7e, gr6, p3 to p6. A g4ad has AMD's; inf and trn have none."""
_IMAGE: Final = "28x28x1"


def has_nvidia_gpu(instance: str) -> bool:
    """Whether a SageMaker instance type, such as `ml.g5.xlarge`, has a GPU that TensorRT runs on."""
    return _NVIDIA.match(instance) is not None


def config_pbtxt(*, precision: str, instance: str) -> str:
    """The configuration for a model exported in `precision`, to be served on `instance`."""
    gpu = has_nvidia_gpu(instance)
    optimisation = _tensorrt("INT8" if precision.startswith("int8") else "FP16") if gpu else ""
    return f"""\
name: "{MODEL}"
backend: "onnxruntime"
max_batch_size: {MAX_BATCH}
input [
  {{ name: "{INPUT_NAME}", data_type: TYPE_FP32, dims: [ 28, 28, 1 ] }}
]
output [
  {{ name: "{OUTPUT_NAME}", data_type: TYPE_FP32, dims: [ 10 ] }}
]
dynamic_batching {{ }}
instance_group [
  {{ count: 2, kind: {"KIND_GPU" if gpu else "KIND_CPU"} }}
]
{optimisation}parameters {{ key: "intra_op_thread_count" value: {{ string_value: "1" }} }}
parameters {{ key: "inter_op_thread_count" value: {{ string_value: "1" }} }}
"""
    # One thread per instance: a second one costs milliseconds at the 99th percentile on a busy machine.


def _tensorrt(precision_mode: str) -> str:
    """Names and values: https://github.com/triton-inference-server/onnxruntime_backend#onnx-runtime-with-tensorrt-optimization

    TensorRT builds its engine for the range of batches that it is told, and else anew, for many seconds, each time that
    a larger batch than ever before comes; the cache spares the second instance that work.
    """
    parameters = {
        "precision_mode": precision_mode,
        "max_workspace_size_bytes": str(2**30),
        "trt_engine_cache_enable": "true",
        "trt_engine_cache_path": "/tmp",  # noqa: S108 - the container's own
        "trt_profile_min_shapes": f"{INPUT_NAME}:1x{_IMAGE}",
        "trt_profile_opt_shapes": f"{INPUT_NAME}:{MAX_BATCH // 4}x{_IMAGE}",
        "trt_profile_max_shapes": f"{INPUT_NAME}:{MAX_BATCH}x{_IMAGE}",
    }
    lines = "\n".join(f'        parameters {{ key: "{key}" value: "{value}" }}' for key, value in parameters.items())
    return f"""\
optimization {{
  execution_accelerators {{
    gpu_execution_accelerator [
      {{
        name: "tensorrt"
{lines}
      }}
    ]
  }}
}}
"""
