"""The file that Triton runs, with a stand-in for the module that only Triton's stub has."""

from __future__ import annotations

import gc
import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backend.adapters.triton import backend_onnxruntime
from backend.adapters.triton.canary import canary_images
from backend.adapters.triton.model_config import load_request, parse_config
from backend.domain.serving import ServedModel
from tests.contract import archives


class Metric:
    published: list[dict[str, str]] = []  # noqa: RUF012 - emptied by the fixture
    released: list[str] = []  # noqa: RUF012

    def __init__(self, labels: dict[str, str]) -> None:
        self.labels = labels

    def set(self, value: int) -> None:
        if value == 1:
            Metric.published.append(self.labels)

    def __del__(self) -> None:
        Metric.released.append("metric")


class MetricFamily:
    GAUGE = "gauge"

    def __init__(self, **_: str) -> None:
        pass

    def Metric(self, labels: dict[str, str]) -> Metric:  # noqa: N802 - Triton's name
        return Metric(labels)

    def __del__(self) -> None:
        Metric.released.append("family")


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    Metric.published, Metric.released = [], []
    stub: Any = ModuleType("triton_python_backend_utils")
    stub.MetricFamily = MetricFamily
    stub.Tensor = lambda name, values: SimpleNamespace(name=name, values=values)
    stub.TritonError = str
    stub.InferenceResponse = lambda output_tensors, error=None: SimpleNamespace(tensors=output_tensors, error=error)
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", stub)
    path = Path(next(iter(backend_onnxruntime.__path__))) / "model.py"
    spec = importlib.util.spec_from_file_location("served_model_py", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.np, "__version__", "1.26.4")
    return module


def arguments(
    root: Path, onnx: bytes, *, sha256: str = "", instance: str = "mnist_0_0", **changes: Any
) -> dict[str, str]:
    folder = root / "mnist" / "5"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(onnx)
    model = ServedModel(version=5, sha256="a" * 64)
    digest = sha256 or hashlib.sha256(onnx).hexdigest()
    request = load_request(parse_config(archives.CONFIG), name="mnist", model=model, onnx_sha256=digest, generation="1")
    return {
        "model_config": json.dumps({**json.loads(request), **changes}),
        "model_repository": str(root / "mnist"),
        "model_version": "5",
        "model_name": "mnist",
        "model_instance_name": instance,
    }


def request(images: np.ndarray) -> SimpleNamespace:
    return SimpleNamespace(inputs=lambda: [SimpleNamespace(as_numpy=lambda: images)])


def test_requests_of_a_batch_get_their_own_answers(module: ModuleType, tmp_path: Path) -> None:
    model = module.TritonPythonModel()
    model.initialize(arguments(tmp_path, archives.template_model()))
    images = canary_images()
    first, second = model.execute([request(images[:3]), request(images[3:])])
    assert first.tensors[0].values.argmax(axis=1).tolist() == [0, 1, 2]
    assert second.tensors[0].values.argmax(axis=1).tolist() == [3, 4, 5, 6, 7, 8, 9]
    assert model.execute([request(images)])[0].tensors[0].name == "output_1"


def test_one_instance_says_what_it_serves(module: ModuleType, tmp_path: Path) -> None:
    onnx = archives.template_model()
    module.TritonPythonModel().initialize(arguments(tmp_path / "a", onnx))
    module.TritonPythonModel().initialize(arguments(tmp_path / "b", onnx, instance="mnist_0_1"))
    assert Metric.published == [{"model": "mnist", "version": "5", "sha256": hashlib.sha256(onnx).hexdigest()}]


def test_the_metric_is_kept_while_loaded_and_goes_before_its_family(module: ModuleType, tmp_path: Path) -> None:
    model = module.TritonPythonModel()
    model.initialize(arguments(tmp_path, archives.template_model()))
    gc.collect()
    assert Metric.released == []
    model.finalize()
    gc.collect()
    assert Metric.released == ["metric", "family"]


def test_a_failure_answers_every_request(module: ModuleType, tmp_path: Path) -> None:
    model = module.TritonPythonModel()
    model.initialize(arguments(tmp_path, archives.template_model()))
    wrong = np.zeros((1, 5, 5, 1), np.float32)
    responses = model.execute([request(wrong), request(wrong)])
    assert len(responses) == 2
    assert all("InvalidArgument" in response.error for response in responses)


@pytest.mark.parametrize(
    ("onnx", "said"),
    [
        (archives.renamed_model(), "output is .*dense_2"),
        (archives.linear_model(weights=np.zeros((784, 10)), bias=np.zeros(10), inputs="image"), "input is .*image"),
    ],
)
def test_other_tensors_are_not_loaded(module: ModuleType, tmp_path: Path, onnx: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        module.TritonPythonModel().initialize(arguments(tmp_path, onnx))


def test_other_bytes_are_not_loaded(module: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"expected {'b' * 64}"):
        module.TritonPythonModel().initialize(arguments(tmp_path, archives.template_model(), sha256="b" * 64))


def test_numpy_2_is_refused(module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.np, "__version__", "2.4.6")
    with pytest.raises(ValueError, match=r"NumPy is 2\.4\.6"):
        module.TritonPythonModel().initialize(arguments(tmp_path, archives.template_model()))
