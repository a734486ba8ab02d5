"""The Keras parts one by one: networks, learning rate, augmentation, batches, export."""

from __future__ import annotations

import math
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import numpy_helper

from backend.digits import augmentation, export, model
from backend.digits.augmentation import augment
from backend.digits.dataset import Part
from backend.digits.evaluate import evaluate, predict
from backend.digits.failures import ExportError
from backend.digits.normalise import normalise
from backend.digits.pipeline import Mix, batches
from backend.digits.preprocess import preprocess
from backend.digits.schedule import OneCycle, second_moment_decay
from backend.digits.strokes import rasterise
from tests.fakes.freehand import strokes_of

IMAGES = np.stack([preprocess(rasterise(strokes_of(digit, wobble=7 * digit))) for digit in range(10)] * 3)
LABELS = np.array([*range(10)] * 3, np.uint8)


@pytest.mark.parametrize(
    ("name", "parameters"), [("reference", 1_351_246), ("lean_d", 34_650), ("lean_c", 95_002), ("lean_e", 582_186)]
)
def test_each_network_has_exactly_its_parameters_and_the_names_of_the_archive(name: str, parameters: int) -> None:
    network = model.build(name, dropout=0.3)

    assert network.count_params() == parameters
    assert network.input.name == "input_1"
    assert network.output_names == ["output_1"]
    assert network.input_shape == (None, 28, 28, 1)
    assert network(normalise(IMAGES[:5])).numpy().sum(axis=1) == pytest.approx([1.0] * 5, abs=1e-5)


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(KeyError, match="resnet"):
        model.build("resnet")


def test_one_cycle_rises_over_a_quarter_and_falls_to_a_thousandth() -> None:
    cycle = OneCycle(0.01, 400)
    rates = [float(cycle(step)) for step in range(401)]

    assert rates[0] == pytest.approx(0.001)
    assert rates[50] == pytest.approx(0.0055)
    assert rates[100] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(0.01)
    assert rates[250] == pytest.approx(0.01 * (0.001 + 0.999 * 0.5))
    assert rates[400] == pytest.approx(1e-5, rel=1e-3)
    assert float(OneCycle(0.01, 1)(0)) > 0


@pytest.mark.parametrize(("steps", "remembered"), [(100, 20), (430, 21.5), (4_000, 200), (100_000, 1000)])
def test_a_one_cycles_optimiser_remembers_a_twentieth_of_its_steps(steps: int, remembered: float) -> None:
    assert 1.0 / (1.0 - second_moment_decay("onecycle", steps)) == pytest.approx(remembered)
    assert second_moment_decay("constant", steps) == 0.999


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras, of NumPy 2
def test_a_model_trained_with_one_cycle_can_be_saved_and_opened(tmp_path: Path) -> None:
    network = model.build("lean_d")
    network.compile(optimizer=keras.optimizers.Adam(OneCycle(0.01, 40)), loss="sparse_categorical_crossentropy")
    network.train_on_batch(normalise(IMAGES), LABELS)
    network.save(tmp_path / "model.keras")

    opened = keras.models.load_model(tmp_path / "model.keras", custom_objects={"OneCycle": OneCycle})

    assert opened.optimizer.get_config()["learning_rate"]["config"] == {"peak": 0.01, "steps": 40}


def test_no_augmentation_changes_nothing() -> None:
    pixels = tf.constant(normalise(IMAGES))

    assert np.array_equal(augment("none", pixels, [1, 2]), pixels)


def test_shift_moves_each_image_by_whole_pixels_up_to_two() -> None:
    pixels = normalise(IMAGES)
    moved = augment("shift", tf.constant(pixels), [1, 2]).numpy()

    found = set()
    for before, after in zip(pixels, moved, strict=True):
        padded = np.pad(before[..., 0], 2)
        windows = {(y, x): padded[y : y + 28, x : x + 28] for y in range(5) for x in range(5)}
        moves = [move for move, window in windows.items() if np.array_equal(window, after[..., 0])]
        assert len(moves) == 1
        found |= set(moves)
    assert len(found) > 10


def test_affine_keeps_a_digit_in_place_and_in_range() -> None:
    pixels = normalise(np.repeat(IMAGES[8:9], 500, axis=0))
    changed = augment("affine", tf.constant(pixels), [1, 2]).numpy()

    assert changed.shape == pixels.shape
    assert (changed.min() >= 0, changed.max() <= 1.0001) == (True, True)
    assert len(np.unique(changed.reshape(500, -1), axis=0)) == 500
    masses = changed.sum(axis=(1, 2, 3)) / pixels.sum(axis=(1, 2, 3))
    assert masses.mean() == pytest.approx(1.0, abs=0.05)
    places = np.arange(28) + 0.5
    centres = (changed.sum(axis=(1, 3)) * places).sum(axis=1) / changed.sum(axis=(1, 2, 3))
    assert centres.mean() == pytest.approx(14, abs=0.3)
    assert np.ptp(centres) == pytest.approx(4, abs=1)


def test_elastic_bends_a_digit_that_affine_leaves_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = tf.constant(normalise(np.repeat(IMAGES[1:2], 200, axis=0)))
    bent, straight = (augment(name, pixels, [1, 2]).numpy() for name in ("elastic", "affine"))

    assert bent.shape == straight.shape
    assert (bent.min() >= 0, bent.max() <= 1.0001) == (True, True)
    assert bent.sum() == pytest.approx(straight.sum(), rel=0.05)
    assert np.abs(bent - straight).max(axis=(1, 2, 3)).min() > 0.1

    # Without a field, what is left of elastic is the affine transform: our sampling is TensorFlow's own.
    monkeypatch.setattr(augmentation, "_BEND", 0.0)
    assert np.allclose(augment("elastic", pixels, [1, 2]).numpy(), straight, atol=1e-4)


@pytest.mark.parametrize("name", ["shift", "affine", "elastic"])
def test_the_seed_decides_what_is_changed(name: str) -> None:
    pixels = tf.constant(normalise(IMAGES))

    assert np.array_equal(augment(name, pixels, [1, 2]), augment(name, pixels, [1, 2]))
    assert not np.array_equal(augment(name, pixels, [1, 2]), augment(name, pixels, [1, 3]))


def numbered(count: int, first: int = 0) -> Part:
    """Images that tell their number by two pixels."""
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = first + np.arange(count), 255
    return Part.whole(images, (np.arange(count) % 10).astype(np.uint8))


def passed(mix: Mix, batch_size: int, passes: int, *, first_step: int = 0) -> list[np.ndarray]:
    """The numbers in each batch, from `first_step` of the first pass on; the labels are checked."""
    seen = []
    for epoch in range(passes):
        for tensors in batches(mix, batch_size, "none", 5, epoch=epoch, first_step=0 if epoch else first_step):
            pixels, one_hot = (tensor.numpy() for tensor in tensors)
            numbers = np.rint(pixels[:, 0, 0, 0] * 255).astype(int)
            assert np.array_equal(one_hot.argmax(axis=1), numbers % 10)
            seen.append(numbers)
    return seen


def test_every_pass_sees_each_image_once_with_its_label_in_a_new_order() -> None:
    seen = passed(Mix(numbered(96)), 32, 2)

    first, second = np.concatenate(seen[:3]), np.concatenate(seen[3:])
    assert sorted(first) == sorted(second) == list(range(96))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("first_step", [1, 3])
def test_a_stream_that_begins_later_goes_on_as_the_whole_one(first_step: int) -> None:
    mix = Mix(numbered(100), ((numbered(40, first=100), 0.25),))
    whole = passed(mix, 32, 2)

    rest = passed(mix, 32, 2, first_step=first_step)
    assert len(rest) == len(whole) - first_step
    assert all(np.array_equal(a, b) for a, b in zip(rest, whole[first_step:], strict=True))


def test_a_batch_has_the_share_that_was_asked_for_of_each_source() -> None:
    mix = Mix(numbered(120), ((numbered(40, first=120), 0.25), (numbered(3, first=160), 0.02)))

    seen = passed(mix, 32, 2)

    assert mix.counts(32) == (23, 8, 1)
    assert mix.steps(32) == 5
    for numbers in seen:
        assert ((numbers < 120).sum(), (numbers < 160).sum(), len(numbers)) == (23, 31, 32)
    others = np.concatenate([numbers[23:31] for numbers in seen])
    assert sorted(others) == sorted(list(range(120, 160)) * 2)
    small = [numbers[31] for numbers in seen]
    assert set(small[:3]) == set(small[3:6]) == {160, 161, 162}


def test_what_lies_on_disk_gives_the_same_batches(tmp_path: Path) -> None:
    part = numbered(96)
    np.save(tmp_path / "images.npy", part.images)
    np.save(tmp_path / "labels.npy", part.labels)
    rows = np.random.default_rng(3).permutation(96).astype(np.uint32)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")

    on_disk = passed(Mix(Part(images=mapped, labels=part.labels, rows=rows)), 32, 2)
    in_memory = passed(Mix(Part(images=part.images, labels=part.labels, rows=rows)), 32, 2)

    assert isinstance(mapped, np.memmap)
    assert all(np.array_equal(a, b) for a, b in zip(on_disk, in_memory, strict=True))


@pytest.fixture(scope="module")
def trained() -> keras.Model:
    network = model.build("lean_d")
    network.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    network.fit(normalise(IMAGES), LABELS, epochs=15, verbose=0)
    return network


def test_the_exported_file_is_the_archive_that_triton_expects(trained: keras.Model, tmp_path: Path) -> None:
    onnx_file = export.export(trained, tmp_path, IMAGES)

    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"mnist/config.pbtxt", "mnist/1/model.onnx"}
    graph = onnx.load(onnx_file).graph
    assert [tensor.name for tensor in (*graph.input, *graph.output)] == ["input_1", "output_1"]
    for count in (1, 3, 64):
        assert predict(onnx_file, IMAGES.repeat(3, axis=0)[:count]).shape == (count, 10)
    assert predict(onnx_file, IMAGES) == pytest.approx(trained.predict(normalise(IMAGES), verbose=0), abs=1e-4)


@pytest.mark.parametrize("wrong", [1.5, math.nan])
def test_a_file_that_answers_otherwise_is_not_let_through(trained: keras.Model, tmp_path: Path, wrong: float) -> None:
    onnx_file = export.export(trained, tmp_path, IMAGES)
    proto = onnx.load(onnx_file)
    weights = max(proto.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * np.float32(wrong), weights.name))
    onnx.save(proto, onnx_file)

    with pytest.raises(ExportError, match="not the trained one"):
        export.check_same(trained, onnx_file, IMAGES)


def test_the_evaluation_counts_what_the_file_answers(trained: keras.Model, tmp_path: Path) -> None:
    onnx_file = export.export(trained, tmp_path, IMAGES)
    labels = LABELS.copy()
    labels[0] = 9  # one mistake that the model cannot help

    evaluation = evaluate(onnx_file, IMAGES, labels)

    predicted = predict(onnx_file, IMAGES).argmax(axis=1)
    assert evaluation.n == 30
    assert evaluation.accuracy == pytest.approx((predicted == labels).mean())
    assert np.sum(evaluation.confusion) == 30
    assert evaluation.confusion[9][predicted[0]] >= 1
    assert evaluation.per_class_recall[9] == pytest.approx((predicted[labels == 9] == 9).mean())
    expected = -np.log(np.clip(evaluation.probabilities[np.arange(30), labels].astype(float), 1e-7, 1)).mean()
    assert evaluation.loss == pytest.approx(expected)
