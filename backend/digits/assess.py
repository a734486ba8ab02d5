"""What an exported model says of every image, and how fast it is: run in a process of its own, on a file of anybody's.

`python -m backend.digits.assess --onnx FILE --out FOLDER (--dataset NAME | --test FILE) [--hard FILE ...]`
writes for each data set `<kind>.npz` (name, images uint8 [n, 28, 28], labels uint8 [n], probabilities float32 [n, 10];
of the sets of labelled drawings `hard_examples-<place>.npz`), and `performance.json`. When it cannot, it says why in
`failure`: exit code 2 for the data, 1 for the model.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import dataset, freehand, performance
from .evaluate import predict
from .failures import TrainerError

Pixels = npt.NDArray[np.uint8]
Images = tuple[str, Pixels, Pixels]
"""A data set: its name, images uint8 [n, 28, 28] and labels uint8 [n]."""


def assess(onnx_file: Path, out: Path, *, test: Images, hard: Sequence[Images]) -> None:
    """Try the file on the `test` images (with their data set's name), on the held-out drawings, and on `hard`."""
    sets = {"test": test, "freehand": ("freehand", *freehand.held_out())}
    sets |= {f"hard_examples-{place}": one for place, one in enumerate(hard)}
    for kind, (name, images, labels) in sets.items():
        print(f"Trying it on {len(images):,} images of {name}", flush=True)
        np.savez(
            out / f"{kind}.npz",
            name=np.array(name),
            images=images,
            labels=labels,
            probabilities=predict(onnx_file, images),
        )
    print("Measuring how fast it is", flush=True)
    measured = performance.measure(onnx_file, test[1], precision=precision_of(onnx_file))
    (out / "performance.json").write_text(json.dumps(dataclasses.asdict(measured)), encoding="utf-8")


def precision_of(onnx_file: Path) -> str:
    """`int8`, `fp16` or `fp32`: what the file's weights are, and for 8 bits what its operators say."""
    import onnx

    graph = onnx.load(str(onnx_file), load_external_data=False).graph
    if any("QuantizeLinear" in node.op_type or "Integer" in node.op_type for node in graph.node):
        return "int8"
    half = onnx.TensorProto.FLOAT16
    return "fp16" if any(tensor.data_type == half for tensor in graph.initializer) else "fp32"


def _images(path: Path) -> Images:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as members:
        return str(members["name"]), members["images"], members["labels"]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--onnx", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--dataset", help="its test part, as a training would cut it")
    source.add_argument("--test", type=Path, help=".npz with name, images and labels")
    parser.add_argument(
        "--hard", type=Path, action="append", default=[], help="the same, of a set of labelled drawings"
    )
    given: Any = parser.parse_args()
    try:
        test = _images(given.test) if given.test else _test_part(given.dataset)
        hard = [_images(path) for path in given.hard]
    except (TrainerError, OSError) as error:
        (given.out / "failure").write_text(str(error), encoding="utf-8")
        return 2
    try:
        assess(given.onnx, given.out, test=test, hard=hard)
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors have no base class, and a stranger's file any of them
        (given.out / "failure").write_text(f"{type(error).__name__}: {str(error).strip()[:500]}", encoding="utf-8")
        return 1
    return 0


def _test_part(name: str) -> Images:
    data = dataset.load(name, notify=lambda text: print(text, flush=True))
    return data.name, data.test_images, data.test_labels


if __name__ == "__main__":
    sys.exit(main())
