"""Whole trainings on a few images: what they leave behind, that a seed repeats them, and how they end."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.digits import dataset, export, fitting, freehand, model
from backend.digits import train as trainer
from backend.digits.config import TrainConfig
from backend.digits.evaluate import evaluate, predict
from backend.digits.failures import DivergedError
from backend.digits.metric_lines import parse_line
from backend.digits.normalise import normalise
from backend.digits.pipeline import Mix
from backend.digits.preprocess import preprocess
from backend.digits.progress import Listener
from backend.digits.strokes import rasterise
from tests.fakes.freehand import PEN_WIDTHS, strokes_of
from tests.integration.digits.training import TINY, train

REPOSITORY = Path(__file__).parents[3]


def environment(folder: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SM_", "WANDB"))}
    return clean | {
        "PYTHONPATH": str(REPOSITORY),
        "SM_MODEL_DIR": str(folder / "model"),
        "SM_OUTPUT_DIR": str(folder / "output"),
        "SM_OUTPUT_DATA_DIR": str(folder / "output" / "data"),
        "WANDB_DIR": str(folder),
        "TRAINING_JOB_NAME": "tiny",
    }


def command(*, dataset: str, limit: int, **others: str | int | float) -> list[str]:
    values = {"dataset": dataset, "limit": limit, **others}
    return [sys.executable, "-m", "backend.digits.train", *(f"--{name}={value}" for name, value in values.items())]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, float]]]:
    """A training as a platform runs it, and the metrics that it printed."""
    folder = tmp_path_factory.mktemp("job")
    result = subprocess.run(
        command(**dataclasses.asdict(dataclasses.replace(TINY, epochs=2))),
        cwd=folder, env=environment(folder), stdout=subprocess.PIPE, text=True, timeout=180, check=True,
    )  # fmt: skip
    return folder, [metrics for line in result.stdout.splitlines() if (metrics := parse_line(line))]


def output(folder: Path, name: str) -> Any:
    return json.loads((folder / "output" / "data" / name).read_text(encoding="utf-8"))


def test_the_folders_hold_the_archive_the_outputs_and_nothing_else(finished: Any) -> None:
    folder, _ = finished

    assert {path.relative_to(folder / "model").as_posix() for path in (folder / "model").rglob("*.*")} == {
        "mnist/config.pbtxt",
        "mnist/1/model.onnx",
    }
    assert {path.name for path in (folder / "output").rglob("*")} == {
        "data", "evaluation.json", "predictions.npz", "curves.json", "config.json",
    }  # fmt: skip


def test_the_evaluation_is_of_the_exported_file_on_the_whole_test_set(finished: Any) -> None:
    folder, _ = finished
    document = output(folder, "evaluation.json")
    data = dataset.load("digits8x8", limit=600, notify=print)
    onnx_file = folder / "model" / "mnist" / "1" / "model.onnx"

    again = evaluate(onnx_file, data.test_images, data.test_labels)

    assert document["accuracy"] == pytest.approx(again.accuracy)
    assert document["accuracy"] > 0.8
    assert document["test_sha256"] == data.test_sha256
    assert document["n"] == 360
    assert np.sum(document["confusion"]) == 360
    assert document["dataset"] == {
        "name": "digits8x8", "source": "bundled with scikit-learn", "train_n": 600, "validation_n": 143, "test_n": 360,
    }  # fmt: skip
    assert document["freehand"]["n"] == 2_000
    assert document["freehand"]["sha256"] == freehand.HELD_OUT_SHA256
    drawn = evaluate(onnx_file, *freehand.held_out())
    assert document["freehand"]["accuracy"] == pytest.approx(drawn.accuracy)
    assert document["freehand"]["accuracy"] > 0.6
    assert document["parameters"] == 34_650
    assert document["onnx_bytes"] == document["performance"]["file_bytes"] == onnx_file.stat().st_size
    assert 0 < document["performance"]["latency_p50_ms"] <= document["performance"]["latency_p99_ms"] < 1_000
    assert document["performance"]["images_per_second"] > 100
    with np.load(folder / "output" / "data" / "predictions.npz") as predictions:
        assert predictions["labels"].dtype == np.uint8
        assert np.array_equal(predictions["labels"], data.test_labels)
        assert predictions["probabilities"].dtype == np.float32
        assert predictions["probabilities"] == pytest.approx(again.probabilities, abs=1e-6)
        assert predictions["freehand_probabilities"] == pytest.approx(drawn.probabilities, abs=1e-6)


def test_curves_and_configuration_are_written(finished: Any) -> None:
    folder, _ = finished
    curves = output(folder, "curves.json")

    assert [point["epoch"] for point in curves] == [1, 2]
    assert set(curves[0]) == {
        "epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds",
    }  # fmt: skip
    assert curves[1]["train_loss"] < curves[0]["train_loss"]
    assert TrainConfig(**output(folder, "config.json")) == dataclasses.replace(TINY, epochs=2)


def test_the_metric_lines_tell_the_whole_story_in_order(finished: Any) -> None:
    folder, lines = finished

    progress = [line["progress"] for line in lines]
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0, 1)
    assert [line["epoch"] for line in lines if "val_accuracy" in line] == [1, 2]
    evaluation = output(folder, "evaluation.json")
    assert lines[-1]["test_accuracy"] == pytest.approx(evaluation["accuracy"], rel=1e-4)
    assert lines[-1]["latency_p50_ms"] == pytest.approx(evaluation["performance"]["latency_p50_ms"], rel=1e-4)
    assert lines[-1]["freehand_accuracy"] == pytest.approx(evaluation["freehand"]["accuracy"], rel=1e-4)


def test_the_run_is_in_wandbs_folder_under_the_jobs_name(finished: Any) -> None:
    folder, _ = finished

    (run,) = folder.glob("wandb/offline-run-*-tiny/run-tiny.wandb")
    assert run.stat().st_size > 1_000


def trained_weights(config: TrainConfig) -> list[np.ndarray]:
    return train(config)[0]


def test_the_same_seed_gives_the_same_archive(finished: Any, tmp_path: Path) -> None:
    folder, _ = finished
    subprocess.run(
        command(**dataclasses.asdict(dataclasses.replace(TINY, epochs=2))),
        cwd=tmp_path, env={**environment(tmp_path), "PYTHONHASHSEED": "7"}, timeout=120, check=True,
    )  # fmt: skip

    for name in ("mnist/1/model.onnx", "mnist/config.pbtxt"):
        assert (tmp_path / "model" / name).read_bytes() == (folder / "model" / name).read_bytes()


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    config = dataclasses.replace(TINY, augmentation="affine", dropout=0.2)
    first, second = trained_weights(config), trained_weights(config)
    other = trained_weights(dataclasses.replace(config, seed=1))

    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first[:1], other[:1], strict=True))


def test_drawings_are_mixed_in_and_help_with_drawings() -> None:
    data = dataset.load("digits8x8", limit=600, notify=print)
    config = dataclasses.replace(TINY, epochs=3, freehand=0.5)
    mix = trainer.mixed(data, config)
    assert mix.counts(32) == (16, 16)

    shares = []
    for chosen in (mix, trainer.mixed(data, dataclasses.replace(config, freehand=0.0))):
        fitting.make_reproducible(0)
        network = model.build("lean_d")
        fitting.fit(network, data, chosen, config, Listener())
        images, labels = freehand.held_out()
        shares.append(float((network.predict(normalise(images), verbose=0).argmax(axis=1) == labels).mean()))
    assert shares[0] > shares[1]
    assert shares[0] > 0.9


def upside_down_sevens(count: int, seed: int) -> np.ndarray:
    images, labels = freehand.generate(10 * count, seed=seed)
    return images[labels == 7, ::-1]


def test_a_kind_of_drawing_that_is_read_wrong_becomes_right_once_some_were_labelled(
    finished: Any, tmp_path: Path
) -> None:
    labelled, others = upside_down_sevens(30, seed=1), upside_down_sevens(100, seed=2)
    channel = tmp_path / "input"
    channel.mkdir()
    np.savez_compressed(channel / "hard-examples.npz", images=labelled, labels=np.full(len(labelled), 7, np.uint8))
    config = dataclasses.replace(TINY, epochs=2, hard_examples=0.2)

    result = subprocess.run(
        command(**dataclasses.asdict(config)), cwd=tmp_path, stdout=subprocess.PIPE, text=True, timeout=180, check=True,
        env=environment(tmp_path) | {"SM_CHANNEL_HARD_EXAMPLES": str(channel)},
    )  # fmt: skip

    def share_of_sevens(folder: Path) -> float:
        onnx_file = folder / "model" / "mnist" / "1" / "model.onnx"
        return float((predict(onnx_file, others).argmax(axis=1) == 7).mean())

    assert share_of_sevens(finished[0]) < 0.2
    assert share_of_sevens(tmp_path) > 0.8
    assert output(tmp_path, "evaluation.json")["accuracy"] > 0.8
    assert "30 labelled drawings make up 6 of every 32 images." in result.stdout
    described = output(tmp_path, "evaluation.json")["dataset"]
    assert described["hard_examples_n"] == 30
    assert described["hard_examples_sha256"] == dataset.digest_of(labelled, np.full(30, 7, np.uint8))
    assert output(tmp_path, "config.json")["hard_examples"] == 0.2


def test_a_share_of_labelled_drawings_without_them_fails_before_the_training(tmp_path: Path) -> None:
    result = subprocess.run(
        command(**dataclasses.asdict(dataclasses.replace(TINY, hard_examples=0.2))),
        cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, text=True, timeout=180, check=False,
    )  # fmt: skip

    assert result.returncode == 1
    assert "there is no input channel 'hard_examples'" in (tmp_path / "output" / "failure").read_text()
    assert not list(tmp_path.rglob("model.onnx"))


def test_every_setting_trains() -> None:
    config = dataclasses.replace(
        TINY, optimizer="adamw", weight_decay=0.01, label_smoothing=0.1, schedule="constant", lr=1e-3, limit=64,
        batch_size=4096,
    )  # fmt: skip

    assert all(np.isfinite(weights).all() for weights in trained_weights(config))


def test_what_was_trained_in_16_bits_is_exported_in_32(tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, epochs=3, train_precision="bfloat16")
    data = dataset.load(config.dataset, limit=config.limit, notify=print)
    fitting.make_reproducible(config.seed)
    network = model.build(config.model, precision=config.train_precision)
    assert network.layers[1].compute_dtype == "bfloat16"
    (*_, last) = fitting.fit(network, data, Mix(data.train), config, Listener())

    plain = model.in_float32(network)

    assert plain.layers[1].compute_dtype == "float32"
    onnx_file = export.export(plain, tmp_path, data.validation_images)
    probabilities = predict(onnx_file, data.validation_images)
    accuracy = float((probabilities.argmax(axis=1) == data.validation_labels).mean())
    assert accuracy == pytest.approx(last.val_accuracy, abs=0.02)
    assert accuracy > 0.8


def test_a_job_in_8_bits_learns_to_bear_them_and_leaves_a_saved_model_on_request(tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, epochs=8, train_precision="bfloat16", export="int8-qat", saved_model="yes")
    result = subprocess.run(
        command(**dataclasses.asdict(config)),
        cwd=tmp_path, env={**environment(tmp_path), "WANDB_MODE": "disabled"}, stdout=subprocess.PIPE, text=True,
        timeout=180, check=True,
    )  # fmt: skip

    lines = [metrics for line in result.stdout.splitlines() if (metrics := parse_line(line))]
    progress = [line["progress"] for line in lines]
    assert progress == sorted(progress)
    assert [line["epoch"] for line in lines if "val_accuracy" in line] == list(range(1, 10))
    assert [point["epoch"] for point in output(tmp_path, "curves.json")] == list(range(1, 10))
    document = output(tmp_path, "evaluation.json")
    assert document["performance"]["precision"] == "int8-qat"
    assert document["performance"]["file_bytes"] < 60_000
    assert document["parameters"] == 34_650
    assert document["accuracy"] > 0.8
    assert (tmp_path / "output" / "data" / "saved_model" / "saved_model.pb").is_file()
    assert {path.name for path in (tmp_path / "model").rglob("*.*")} == {"config.pbtxt", "model.onnx"}


TWO_DEVICES = """
import dataclasses, sys
import tensorflow as tf
from backend.digits import dataset, fitting, model
from backend.digits.config import TrainConfig
from backend.digits.failures import ConfigError
from backend.digits.pipeline import Mix
from backend.digits.progress import Listener

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
data = dataset.load("digits8x8", limit=600, notify=print)
config = TrainConfig(dataset="digits8x8", epochs=2, batch_size=32, ema=0.9)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    network = model.build("lean_d")
points = fitting.fit(network, data, Mix(data.train), config, Listener())
print(network.distribute_strategy.num_replicas_in_sync, points[-1].val_accuracy)
try:
    fitting.fit(network, data, Mix(data.train), dataclasses.replace(config, batch_size=33), Listener())
except ConfigError as error:
    print(error)
"""


def test_the_images_of_a_batch_are_shared_between_devices(tmp_path: Path) -> None:
    """Two logical processors stand in for two GPUs: the same strategy, the same code."""
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES],
        cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, text=True, timeout=180, check=True,
    )  # fmt: skip

    trained, refused = done.stdout.splitlines()[-2:]
    assert trained.split()[0] == "2"
    assert float(trained.split()[1]) > 0.8
    assert refused == "batch_size is 33; expected a multiple of the 2 GPUs."


def test_a_loss_that_is_no_number_ends_the_training_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[Mapping[str, float | int]] = []
    data = dataset.load("digits8x8", limit=600, notify=print)
    network = model.build("lean_d")
    network.layers[-2].kernel.assign(network.layers[-2].kernel * np.nan)

    with pytest.raises(DivergedError, match=r"the loss became nan in epoch 1, step \d+, with lr 0.008"):
        fitting.fit(
            network, data, Mix(data.train), dataclasses.replace(TINY, epochs=50), Listener(report=reported.append)
        )
    assert not any("val_accuracy" in metrics for metrics in reported)


def test_a_stopped_training_ends_cleanly_with_143(tmp_path: Path) -> None:
    arguments = dataclasses.asdict(dataclasses.replace(TINY, epochs=200))
    with subprocess.Popen(
        command(**arguments),
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if "epoch=1;" in line:
                break
        os.killpg(process.pid, signal.SIGTERM)
        process.stdout.read()
        code = process.wait(timeout=15)

    assert code == 143
    assert not (tmp_path / "output" / "failure").exists()
    assert list(tmp_path.glob("wandb/offline-run-*-tiny/run-tiny.wandb"))


# The bundled digits are in every installation; real MNIST is trained on wherever the machine was given it.
READS = {"digits8x8": (45, 0.95), "mnist": (54, 0.97)}
"""Of 60 freehand digits at least so many read right, and the least test accuracy."""


@pytest.mark.parametrize("dataset", READS if os.environ.get("DIGITS_DATA") else ["digits8x8"])
def test_a_short_training_teaches_it_to_read_freehand_digits(dataset: str, tmp_path: Path) -> None:
    subprocess.run(
        command(dataset=dataset, limit=12_000, epochs=2, lr=8e-3, batch_size=64),
        cwd=tmp_path, env=environment(tmp_path), timeout=180, check=True,
    )  # fmt: skip

    drawn = [
        preprocess(rasterise(strokes_of(digit, width=width, hand=hand)))
        for hand in (0, 1) for width in PEN_WIDTHS for digit in range(10)
    ]  # fmt: skip
    predicted = predict(tmp_path / "model" / "mnist" / "1" / "model.onnx", np.stack(drawn)).argmax(axis=1)
    least_read, least_accuracy = READS[dataset]
    assert (predicted == np.tile(np.arange(10), 6)).sum() >= least_read
    assert output(tmp_path, "evaluation.json")["accuracy"] > least_accuracy
