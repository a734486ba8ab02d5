"""From a trained Keras model to the archive that every Triton serves: an ONNX file and its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
import onnx
import tensorflow as tf

from . import quantise
from .dataset import Dataset
from .evaluate import predict
from .failures import ExportError
from .folding import folded
from .normalise import normalise
from .onnx_graph import to_onnx
from .triton_config import INPUT_NAME, LOCAL, MODEL, OUTPUT_NAME, config_pbtxt, has_nvidia_gpu

TOLERANCE: Final = 1e-4
LEAST_EQUAL: Final = 0.998
CHECKED_IMAGES: Final = 5_000
QUANTISATION_AWARE: Final = "int8-qat"

Pixels = npt.NDArray[np.uint8]


def export(
    network: keras.Model,
    folder: Path,
    images: Pixels,
    *,
    precision: str = "fp32",
    calibration: Pixels | None = None,
    instance: str = LOCAL,
) -> Path:
    """Write `mnist/config.pbtxt` and `mnist/1/model.onnx` under `folder` and return the ONNX file.

    The file takes `input_1` float32 [batch, 28, 28, 1] in 0..1 and gives `output_1` float32 [batch, 10]. It is checked
    against the Keras model, which is float32, on `images` uint8 [n, 28, 28]; `calibration` (without it, `images`) give
    the ranges for 8 bits. Where it will be served with an NVIDIA GPU, TensorRT is asked for, and computes in 16 bits
    what is in 32: then that is checked too. Raises `ExportError` when the file does not do what the model does.
    """
    proto = to_onnx(folded(network))
    accelerated = has_nvidia_gpu(instance)
    version = folder / MODEL / "1"
    version.mkdir(parents=True, exist_ok=True)
    onnx_file = version / "model.onnx"
    if accelerated and precision == "fp32":
        _save(quantise.half(_copy(proto)), onnx_file)
        check_same(network, onnx_file, images, precision="fp16")
    if precision == "fp16":
        proto = quantise.half(proto)
    elif precision != "fp32":
        proto = quantise.eight_bits(proto, images if calibration is None else calibration, for_tensorrt=accelerated)
    _save(proto, onnx_file)
    check_same(network, onnx_file, images, precision=precision)
    config = config_pbtxt(precision=precision, instance=instance)
    (folder / MODEL / "config.pbtxt").write_text(config, encoding="utf-8")
    return onnx_file


def check_same(network: keras.Model, onnx_file: Path, images: Pixels, *, precision: str = "fp32") -> None:
    """Raises `ExportError` unless file and network agree on `images` uint8 [n, 28, 28].

    In fp32 that is the same labels and, within 1e-4, the same probabilities; else the same label for 99.8 % of them.
    """
    expected = network.predict(normalise(images), batch_size=500, verbose=0)
    observed = predict(onnx_file, images)
    changed = int((observed.argmax(axis=1) != expected.argmax(axis=1)).sum())
    if precision == "fp32":
        apart = float(np.abs(observed - expected).max())
        # NaN compares false to everything, so the test is for being near, not for being far.
        if changed or not apart <= TOLERANCE:
            raise ExportError(
                f"The exported model is not the trained one: {changed} of {len(images)} labels differ, and "
                f"probabilities by up to {apart:.2g}; expected none, and at most {TOLERANCE:g}."
            )
    elif not np.isfinite(observed).all() or changed > (1.0 - LEAST_EQUAL) * len(images):
        raise ExportError(
            f"The model exported in {precision} is not the trained one: {changed} of {len(images)} labels differ; "
            f"expected at most {1.0 - LEAST_EQUAL:.1%} of them. Export in fp32, or train longer: a model that is sure "
            "of its answers bears rounding better."
        )


def checked_images(data: Dataset) -> Pixels:
    """Images to compare file and network on, uint8 [n, 28, 28]: those held out, then training images, 5,000 at most."""
    held_out = data.validation_images[:CHECKED_IMAGES]
    return np.concatenate([held_out, data.train.take(slice(CHECKED_IMAGES - len(held_out)))[0]])


def calibration_images(data: Dataset) -> Pixels:
    """Training images from all over the data set, which may be sorted: uint8 [512, 28, 28], or as many as there are."""
    count = min(quantise.CALIBRATION_IMAGES, len(data.train))
    return data.train.take(np.linspace(0, len(data.train) - 1, count).astype(np.uint32))[0]


def save_tensorflow(network: keras.Model, folder: Path, images: Pixels) -> None:
    """Write the network as a TensorFlow SavedModel with the archive's tensor names.

    Its default signature takes `input_1` float32 [batch, 28, 28, 1] and gives `output_1`. It is opened again and asked
    about `images` uint8 [n, 28, 28]: raises `ExportError` if a probability differs by more than 1e-5.
    """
    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint(
        name="serve",
        fn=lambda image: {OUTPUT_NAME: network(image, training=False)},
        input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.float32, name=INPUT_NAME)],
    )
    archive.write_out(str(folder), verbose=False)
    pixels = normalise(images)
    opened = tf.saved_model.load(str(folder)).signatures["serving_default"]
    observed = opened(**{INPUT_NAME: tf.constant(pixels)})[OUTPUT_NAME].numpy()
    apart = float(np.abs(observed - network.predict(pixels, batch_size=500, verbose=0)).max())
    if not apart <= 1e-5:
        raise ExportError(f"The SavedModel is not the trained one: probabilities differ by up to {apart:.2g}.")


def _save(proto: Any, onnx_file: Path) -> None:
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, onnx_file)


def _copy(proto: Any) -> Any:
    return onnx.ModelProto.FromString(proto.SerializeToString())
