"""Model archives for tests: tiny, quick to build, good or wrong in one chosen way.

The good model compares an image with one template per digit (the known digits that every deployment asks), so it reads
those right without any training.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backend.adapters.triton.canary import canary_images
from backend.adapters.triton.canary_model import linear_model, template_model

CONFIG = """\
name: "mnist"
backend: "onnxruntime"
max_batch_size: 64
input [ { name: "input_1", data_type: TYPE_FP32, dims: [ 28, 28, 1 ] } ]
output [ { name: "output_1", data_type: TYPE_FP32, dims: [ 10 ] } ]
dynamic_batching { }
instance_group [ { count: 2, kind: KIND_CPU } ]
parameters { key: "intra_op_thread_count" value: { string_value: "1" } }
"""

Add = Callable[[tarfile.TarFile], None]


def good_archive(path: Path, *, sharpness: float = 1.0) -> Path:
    """Write an archive that every platform must serve; returns `path`.

    Models of different `sharpness` give the same labels with different probabilities: they can be told apart.
    """
    return write_archive(path, onnx=template_model(sharpness))


def write_archive(path: Path, *, onnx: bytes, config: str = CONFIG, extra: Add | None = None) -> Path:
    """Write an archive with this content, and whatever else `extra` adds to it; returns `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        add_file(tar, "mnist/config.pbtxt", config.encode())
        add_file(tar, "mnist/1/model.onnx", onnx)
        if extra is not None:
            extra(tar)
    return path


def add_file(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    tar.addfile(member)


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def constant_model(digit: int) -> bytes:
    """Says the same digit whatever it sees: valid probabilities, no sense."""
    return linear_model(weights=np.zeros((784, 10)), bias=9.0 * np.eye(10)[digit])


def not_a_number_model() -> bytes:
    return linear_model(weights=np.full((784, 10), np.nan), bias=np.zeros(10))


def unnormalised_model() -> bytes:
    """Right labels, but the rows are scores and do not sum to 1: somebody forgot the softmax."""
    return linear_model(weights=_templates(), bias=-(_templates() ** 2).sum(axis=0) / 2, last="Identity")


def renamed_model() -> bytes:
    """Works, but its output has another name than every client asks for."""
    return linear_model(weights=_templates(), bias=np.zeros(10), outputs="dense_2")


def _templates() -> Any:
    return canary_images().reshape(10, 784).T
