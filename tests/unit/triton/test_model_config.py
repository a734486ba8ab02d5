from __future__ import annotations

import json

import pytest

from backend.adapters.triton.model_config import load_request, parse_config, served_model
from backend.digits.triton_config import config_pbtxt
from backend.domain.serving import ServedModel
from backend.errors import ArchiveRejectedError
from tests.contract.archives import CONFIG

MODEL = ServedModel(version=7, sha256="a" * 64)


def test_what_training_exports_is_taken_over() -> None:
    assert parse_config(CONFIG) == {
        "backend": "onnxruntime",
        "max_batch_size": 64,
        "input": [{"name": "input_1", "data_type": "TYPE_FP32", "dims": [28, 28, 1]}],
        "output": [{"name": "output_1", "data_type": "TYPE_FP32", "dims": [10]}],
        "dynamic_batching": {"preferred_batch_size": [8, 16, 32]},
        "instance_group": [{"count": 2, "kind": "KIND_CPU"}],
        "parameters": {"intra_op_thread_count": {"string_value": "1"}},
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("onnxruntime", "python", "backend 'python', expected 'onnxruntime'"),
        ("output_1", "dense_2", "output .*dense_2"),
        ("28, 28, 1", "784", "input .*784"),
        ("TYPE_FP32", "TYPE_UINT8", "TYPE_UINT8"),
        ("max_batch_size: 64", "max_batch_size: 8", "batches of 8, expected at least 64"),
        ("count: 2", "count: 200", "200 instances"),
        ("KIND_CPU", "KIND_MODEL", "instances of the KIND_MODEL, expected KIND_CPU or KIND_GPU"),
        ('"mnist"', '"other"', "name 'other'"),
        ("intra_op_thread_count", "EXECUTION_ENV_PATH", "parameter 'EXECUTION_ENV_PATH'"),
        ('string_value: "1"', 'string_value: "0"', "parameter"),
        ("dynamic_batching { }", 'model_warmup [ { name: "x" } ]', "sets 'model_warmup'"),
        ("dynamic_batching { }", 'model_repository_agents { agents [ { name: "x" } ] }', "model_repository_agents"),
        ("dynamic_batching { }", "nonsense", "not a Triton model configuration"),
        ("dynamic_batching { }", 'default_model_filename: "../x"', "file"),
    ],
)
def test_anything_else_is_refused_by_name(old: str, new: str, said: str) -> None:
    assert old in CONFIG
    with pytest.raises(ArchiveRejectedError, match=said):
        parse_config(CONFIG.replace(old, new))


def test_an_archive_that_makes_requests_wait_is_served_without_waiting() -> None:
    waiting = "dynamic_batching { preferred_batch_size: [ 64 ] max_queue_delay_microseconds: 900000 }"
    assert parse_config(CONFIG.replace("dynamic_batching { }", waiting)) == parse_config(CONFIG)
    assert "dynamic_batching" not in parse_config(CONFIG.replace("dynamic_batching { }", ""))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_what_was_made_for_a_gpu_is_served_here_on_the_cpu(precision: str) -> None:
    text = config_pbtxt(precision=precision, instance="ml.g5.xlarge")
    assert "KIND_GPU" in text and "tensorrt" in text

    taken = parse_config(text)

    assert taken["instance_group"] == [{"count": 2, "kind": "KIND_CPU"}]
    assert taken == parse_config(config_pbtxt(precision=precision, instance="local"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"/tmp"', '"/etc"'),
        ('"FP16"', '"FP8"'),
        ('"tensorrt"', '"openvino"'),
        ("gpu_execution_accelerator", "cpu_execution_accelerator"),
        ('"trt_engine_cache_path"', '"trt_extra_plugin_lib_paths"'),
        ("optimization {", "optimization { graph { level: 1 }"),
    ],
)
def test_an_optimisation_that_is_not_ours_is_refused(old: str, new: str) -> None:
    text = config_pbtxt(precision="fp16", instance="ml.g5.xlarge")
    assert old in text
    with pytest.raises(ArchiveRejectedError, match="expected TensorRT as training writes it"):
        parse_config(text.replace(old, new))


def test_a_load_names_version_and_digests_and_can_be_read_back() -> None:
    request = json.loads(
        load_request(parse_config(CONFIG), name="mnist", model=MODEL, onnx_sha256="b" * 64, generation="5")
    )
    assert request["name"] == "mnist"
    assert request["version_policy"] == {"specific": {"versions": [7]}}
    assert request["parameters"]["onnx_sha256"] == {"string_value": "b" * 64}
    assert request["parameters"]["generation"] == {"string_value": "5"}
    assert request["parameters"]["intra_op_thread_count"] == {"string_value": "1"}
    assert served_model(request) == MODEL


def test_a_load_warms_every_instance_up_with_what_the_model_takes() -> None:
    request = json.loads(load_request(parse_config(CONFIG), name="mnist", model=MODEL, onnx_sha256="", generation="1"))
    (warm_up,) = request["model_warmup"]
    (tensor,) = request["input"]
    expected = {"data_type": tensor["data_type"], "dims": tensor["dims"], "zero_data": True}
    assert warm_up["inputs"] == {tensor["name"]: expected}
    assert warm_up["batch_size"] >= 1 and warm_up["count"] >= 1


def test_a_model_loaded_by_somebody_else_is_not_taken_for_ours() -> None:
    assert served_model({"name": "mnist", "version_policy": {"latest": {"num_versions": 1}}}) is None
    assert served_model({"version_policy": {"specific": {"versions": [1]}}, "parameters": {}}) is None
