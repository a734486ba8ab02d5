"""What counts as another configuration than the deployed one."""

from __future__ import annotations

import json
from typing import Any

from backend.adapters.triton.drift import differences
from backend.adapters.triton.model_config import load_request, parse_config
from backend.domain.serving import ServedModel
from tests.contract.archives import CONFIG

MODEL = ServedModel(version=7, sha256="a" * 64)


def request(**changes: Any) -> str:
    config = {**parse_config(CONFIG), **changes}
    return load_request(config, name="mnist", model=MODEL, onnx_sha256="b" * 64, generation="1")


def test_what_was_asked_for_is_no_drift() -> None:
    assert differences(request(), json.loads(request())) == ()


def test_other_sizes_of_batches_are_a_drift_and_said() -> None:
    (difference,) = differences(request(), json.loads(request(dynamic_batching={"preferred_batch_size": [8, 16]})))
    assert difference.what == "dynamic batching"
    assert (difference.wanted, difference.served) == ("in batches of 8, 16, 32", "in batches of 8, 16")


def test_what_triton_fills_in_where_no_size_was_asked_for_is_no_drift() -> None:
    filled_in = {"preferred_batch_size": [64], "max_queue_delay_microseconds": "0"}
    assert differences(request(dynamic_batching={}), json.loads(request(dynamic_batching=filled_in))) == ()
