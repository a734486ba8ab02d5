"""Exports in fewer bits: that they say what the network says, what is in them, and the epoch that teaches it to."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import TensorProto, numpy_helper

from backend.adapters.triton.onnx_model import require_servable
from backend.digits import dataset, export, fitting, model, performance, qat
from backend.digits.checkpoint import CheckpointFolder
from backend.digits.container import StopSignal
from backend.digits.evaluate import predict
from backend.digits.failures import ExportError
from backend.digits.folding import folded
from backend.digits.normalise import normalise
from backend.digits.pipeline import Mix
from backend.digits.progress import Listener
from backend.digits.triton_config import config_pbtxt
from tests.integration.digits.training import TINY

SURE = dataclasses.replace(TINY, epochs=8)
"""Of 360 images none may change its label: for that, a network must be sure of its answers."""
GPU = "ml.g5.xlarge"
DATA = dataset.load(TINY.dataset, limit=TINY.limit, notify=print)
CALIBRATION = export.calibration_images(DATA)


@pytest.fixture(scope="module")
def trained() -> keras.Model:
    fitting.make_reproducible(0)
    network = model.build("lean_d")
    fitting.fit(network, DATA, Mix(DATA.train), SURE, Listener())
    return network


def graph_of(onnx_file: Path) -> Any:
    return onnx.load(onnx_file).graph


def exported(network: keras.Model, folder: Path, precision: str, instance: str = "local") -> Path:
    return export.export(
        network, folder, DATA.test_images, precision=precision, calibration=CALIBRATION, instance=instance
    )


@pytest.mark.parametrize("name", ["lean_d", "lean_e", "reference"])
@pytest.mark.parametrize("least_scale", [0.5, -0.5])
def test_folding_changes_no_answer(name: str, least_scale: float) -> None:
    """Also where a scale is negative, which does not commute with taking a maximum."""
    keras.utils.set_random_seed(3)
    network = model.build(name, dropout=0.3)
    random = np.random.default_rng(3)
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        shape = layer.gamma.shape
        layer.set_weights(
            [random.uniform(least_scale, 2, shape), *random.normal(0, 0.3, (2, *shape)), random.uniform(0.1, 2, shape)]
        )

    plain = folded(network)

    pixels = normalise(DATA.test_images[:100])
    assert np.allclose(plain.predict(pixels, verbose=0), network.predict(pixels, verbose=0), atol=1e-5)
    left = sum(isinstance(layer, keras.layers.BatchNormalization) for layer in plain.layers)
    pooled = 2  # blocks of these networks that pool before they normalise
    assert left == (pooled if norms and least_scale < 0 else 0)
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in plain.layers)
    assert plain.name == network.name


@pytest.mark.parametrize(
    ("precision", "instance", "least_share", "most_share"),
    [("fp16", "local", 0.45, 0.55), ("int8", "local", 0.25, 0.35), ("int8", GPU, 1.0, 1.1)],
)
def test_fewer_bits_say_the_same(
    trained: keras.Model, tmp_path: Path, precision: str, instance: str, least_share: float, most_share: float
) -> None:
    whole = exported(trained, tmp_path / "fp32", "fp32").stat().st_size

    onnx_file = exported(trained, tmp_path, precision, instance)

    require_servable(onnx_file.read_bytes())
    assert least_share < onnx_file.stat().st_size / whole < most_share
    probabilities = predict(onnx_file, DATA.test_images)
    assert np.abs(probabilities.sum(axis=1) - 1).max() < 1e-5
    labels = trained.predict(normalise(DATA.test_images), verbose=0).argmax(axis=1)
    assert (probabilities.argmax(axis=1) == labels).mean() >= 0.998
    config = (onnx_file.parents[1] / "config.pbtxt").read_text()
    assert config == config_pbtxt(precision=precision, instance=instance)


def test_sixteen_bits_are_in_the_weights_and_not_in_the_tensors_of_the_archive(
    trained: keras.Model, tmp_path: Path
) -> None:
    graph = graph_of(exported(trained, tmp_path, "fp16"))

    floats = {tensor.data_type for tensor in graph.initializer} & {TensorProto.FLOAT, TensorProto.FLOAT16}
    assert floats == {TensorProto.FLOAT16}
    types = [tensor.type.tensor_type.elem_type for tensor in (*graph.input, *graph.output)]
    assert types == [TensorProto.FLOAT, TensorProto.FLOAT]
    assert [node.op_type for node in graph.node][-2:] == ["Cast", "Softmax"]


@pytest.mark.parametrize(("instance", "type_"), [("local", np.uint8), (GPU, np.int8)])
def test_eight_bits_are_unsigned_for_a_processor_and_signed_around_zero_for_tensorrt(
    trained: keras.Model, tmp_path: Path, instance: str, type_: type
) -> None:
    graph = graph_of(exported(trained, tmp_path, "int8", instance))

    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    quantised = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    activations = [weights[node.input[2]] for node in quantised if node.input[0] not in weights]
    assert {zero.dtype.type for zero in activations} == {type_}
    names = {node.op_type for node in graph.node}
    assert {"Conv", "Gemm", "Softmax", "DequantizeLinear"} <= names
    assert not {"BatchNormalization", "Mul", "Add", "MatMul"} & names
    if instance == GPU:
        assert not any(zero.any() for zero in activations)
        kernels = [weights[name] for node in graph.node if node.op_type == "Conv" for name in node.input[2:]]
        assert {kernel.dtype.type for kernel in kernels} == {np.float32}


def test_a_model_that_rounding_changes_is_not_let_through(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    unsure = model.build("lean_d")

    with pytest.raises(ExportError, match=r"exported in int8 is not the trained one: \d+ of 360 labels differ; .*0.2%"):
        exported(unsure, tmp_path, "int8")


def test_what_tensorrt_will_round_is_checked_before(
    trained: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert exported(trained, tmp_path / "good", "fp32", GPU).is_file()

    def spoilt(proto: Any) -> Any:
        for tensor in proto.graph.initializer:
            if tensor.data_type == TensorProto.FLOAT:
                tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
        return proto

    monkeypatch.setattr(export.quantise, "half", spoilt)
    with pytest.raises(ExportError, match="exported in fp16 is not the trained one"):
        exported(trained, tmp_path / "bad", "fp32", GPU)


def test_calibration_sees_all_of_a_sorted_data_set() -> None:
    images = np.zeros((5_000, 28, 28), np.uint8)
    images[:, 0, 0] = np.arange(5_000) // 20
    data = dataclasses.replace(DATA, train=dataset.Part.whole(images, np.zeros(5_000, np.uint8)))

    seen = export.calibration_images(data)

    assert len(seen) == 512
    assert set(seen[:, 0, 0]) == set(range(250))


def test_a_saved_model_says_the_same_under_the_names_of_the_archive(trained: keras.Model, tmp_path: Path) -> None:
    export.save_tensorflow(trained, tmp_path / "saved_model", DATA.test_images[:50])

    serve = tf.saved_model.load(str(tmp_path / "saved_model")).signatures["serving_default"]
    assert list(serve.structured_input_signature[1]) == ["input_1"]
    pixels = normalise(DATA.test_images[:7])
    answer = serve(input_1=tf.constant(pixels))["output_1"].numpy()
    assert np.allclose(answer, trained.predict(pixels, verbose=0), atol=1e-5)


def test_the_speed_is_that_of_the_file(trained: keras.Model, tmp_path: Path) -> None:
    small = performance.measure(exported(trained, tmp_path, "fp32"), DATA.test_images, precision="fp32")
    keras.utils.set_random_seed(0)
    other = export.export(model.build("lean_e"), tmp_path / "large", DATA.test_images)
    large = performance.measure(other, DATA.test_images[:1], precision="fp32")

    assert large.file_bytes == other.stat().st_size > small.file_bytes
    assert 0 < small.latency_p50_ms <= small.latency_p99_ms
    assert large.latency_p50_ms > small.latency_p50_ms
    assert large.images_per_second < small.images_per_second


def test_a_rounded_network_stays_on_its_grids_and_lets_the_gradient_through(trained: keras.Model) -> None:
    plain = folded(trained)
    rounding = qat.rounded(plain, levels=255)
    pixels = tf.constant(normalise(DATA.test_images[:64]))

    with tf.GradientTape() as tape:
        answers = rounding(pixels, training=True)
        loss = -tf.reduce_mean(tf.math.log(tf.reduce_max(answers, axis=1)))
    gradients = tape.gradient(loss, rounding.trainable_variables)

    assert len(gradients) == len(plain.trainable_variables)
    assert all(float(tf.norm(gradient)) > 0 for gradient in gradients)
    peaks = [layer for layer in rounding.layers if isinstance(layer, qat.RoundedActivation)]
    assert float(peaks[0].peak) == pytest.approx(1.0)
    assert all(float(layer.peak) > 0 for layer in peaks)
    inner = peaks[1](tf.constant([[-1.0, 0.1234, 1e9]])).numpy() / float(peaks[1].peak) * 255
    assert inner == pytest.approx(np.rint(inner), abs=1e-3)
    assert (inner.min(), inner.max()) == (0, pytest.approx(255))
    kernel = qat._rounded_kernel(plain.layers[1].kernel).numpy().reshape(-1, 16)
    steps = np.abs(kernel).max(axis=0) / 127
    assert kernel / steps == pytest.approx(np.rint(kernel / steps), abs=1e-3)
    assert len(np.unique(np.rint(kernel / steps))) <= 255


QAT = dataclasses.replace(
    TINY, epochs=2, augmentation="affine", dropout=0.2, ema=0.9, export="int8-qat", checkpoint_minutes=1e-9
)


Whole = tuple[list[np.ndarray], Any, list[Mapping[str, float | int]]]
"""Weights, points, and what was told on the way."""


def learnt(
    folder: Path, listener: Listener | None = None, stop: StopSignal | None = None
) -> tuple[list[np.ndarray], Any]:
    fitting.make_reproducible(QAT.seed)
    network = model.build(QAT.model, dropout=QAT.dropout)
    plain, points = qat.train(
        network, DATA, Mix(DATA.train), QAT, listener or Listener(), folder=folder, stop=stop or StopSignal()
    )
    return [np.asarray(weights) for weights in plain.get_weights()], points


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    told: list[Mapping[str, float | int]] = []
    weights, points = learnt(tmp_path_factory.mktemp("whole"), Listener(report=told.append))
    return weights, points, told


def with_weights(weights: list[np.ndarray]) -> keras.Model:
    plain = folded(model.build(QAT.model))
    plain.set_weights(weights)
    return plain


def test_a_training_stopped_in_its_rounding_epoch_ends_as_if_it_had_not_been(tmp_path: Path, whole: Whole) -> None:
    weights, points, told = whole
    assert [point.epoch for point in points] == [1, 2, 3]
    shares = [line["progress"] for line in told]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(0.95)
    assert [line["epoch"] for line in told if "val_accuracy" in line] == [1, 2, 3]

    stop = StopSignal()

    def stop_in_the_last(values: Mapping[str, float | int]) -> None:
        stop.wanted = stop.wanted or values["epoch"] >= 2

    with pytest.raises(SystemExit) as ending:
        learnt(tmp_path / "cut", Listener(report=stop_in_the_last), stop)
    assert ending.value.code == 143
    assert len(list((tmp_path / "cut" / "trained").iterdir())) == 1
    assert len(list((tmp_path / "cut" / "rounded-255").iterdir())) == 1

    notices: list[str] = []
    again: list[Mapping[str, float | int]] = []
    resumed, all_points = learnt(tmp_path / "cut", Listener(report=again.append, notify=notices.append))

    assert all(np.array_equal(a, b) for a, b in zip(weights, resumed, strict=True))
    assert [(p.epoch, p.val_loss) for p in all_points] == [(p.epoch, p.val_loss) for p in points]
    assert notices[-1] == "Going on after epoch 0, step 8 of 18."
    assert [line["epoch"] for line in again if "val_accuracy" in line] == [1, 2, 3]
    assert all(line["epoch"] >= 2 for line in again if "val_accuracy" not in line)


def test_what_the_rounding_epoch_learnt_is_exported(tmp_path: Path, whole: Whole) -> None:
    weights, points, _ = whole

    onnx_file = exported(with_weights(weights), tmp_path, "int8-qat")

    right = (predict(onnx_file, DATA.validation_images).argmax(axis=1) == DATA.validation_labels).mean()
    assert right == pytest.approx(points[-1].val_accuracy, abs=0.02)
    assert right > 0.8


IN_EVERY_PRECISION = """
from pathlib import Path
import numpy as np
from backend.digits import model
from tests.integration.digits.test_precision import digests, learnt

# TensorFlow counts what it traces, and a name with that number must not get into a file.
model.build("lean_e").predict(np.zeros((1, 28, 28, 1)), verbose=0)
for line in digests(learnt(Path("checkpoints"))[0], Path("files")):
    print(line)
"""


def digests(weights: list[np.ndarray], folder: Path) -> list[str]:
    plain = with_weights(weights)
    files = [
        exported(plain, folder / precision / instance, precision, instance)
        for precision, instance in (("fp16", "local"), ("int8", "local"), ("int8-qat", GPU))
    ]
    return [f"digest {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files]


def test_the_same_seed_gives_the_same_file_in_every_precision(tmp_path: Path, whole: Whole) -> None:
    repository = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", IN_EVERY_PRECISION],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": repository, "PYTHONHASHSEED": "7"},
        stdout=subprocess.PIPE, text=True, timeout=180, check=True,
    )  # fmt: skip

    elsewhere = [line for line in done.stdout.splitlines() if line.startswith("digest")]
    assert elsewhere == digests(whole[0], tmp_path / "here")


def test_a_disk_that_is_full_costs_the_checkpoint_and_not_the_rounding_epoch(tmp_path: Path) -> None:
    notices: list[str] = []
    blocked = tmp_path / "checkpoints"
    blocked.write_text("a file where the folder should be")

    network = model.build("lean_d")
    trained = CheckpointFolder(blocked / "trained", QAT, print)
    qat._remember(trained, network, (), Listener(notify=notices.append))

    assert "The checkpoint could not be written" in notices[0]
