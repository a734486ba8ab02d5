"""How large and how fast the exported file is: measured on the very file, with the threads that Triton gives it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .normalise import normalise

BATCH: Final = 64
_WARM_UP: Final = 20
_SINGLES: Final = 2_000
_BATCHES: Final = 200
_SECONDS: Final = 0.5
"""For each of the two figures; what a slow model does not manage within it is left out."""


@dataclass(frozen=True, kw_only=True)
class Performance:
    """Bytes of the ONNX file, milliseconds for one image (median and 99th percentile), images per second in batches of
    64 (the median batch): with one thread, on the machine that trained.
    """

    precision: str
    file_bytes: int
    latency_p50_ms: float
    latency_p99_ms: float
    images_per_second: float


def measure(onnx_file: Path, images: npt.NDArray[np.uint8], *, precision: str) -> Performance:
    """Run the file for about a second over images uint8 [n, 28, 28]; `precision` is what it was exported in."""
    session = open_session(onnx_file)
    pixels = normalise(images[:BATCH])
    batch = np.resize(pixels, (BATCH, *pixels.shape[1:]))
    singles = latencies(session, batch[:1], most=_SINGLES, seconds=_SECONDS)
    batches = latencies(session, batch, most=_BATCHES, seconds=_SECONDS)
    return Performance(
        precision=precision,
        file_bytes=onnx_file.stat().st_size,
        latency_p50_ms=float(np.percentile(singles, 50)) * 1e3,
        latency_p99_ms=float(np.percentile(singles, 99)) * 1e3,
        images_per_second=BATCH / float(np.median(batches)),
    )


def open_session(onnx_file: Path) -> Any:
    """An ONNX Runtime session on the CPU, with one thread as in the archive's configuration."""
    # ONNX Runtime reports to its maker by default since 1.29; the choice is read once, when it is first imported.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(onnx_file, options, providers=["CPUExecutionProvider"])


def latencies(session: Any, pixels: npt.NDArray[np.float32], *, most: int, seconds: float) -> npt.NDArray[np.float64]:
    """Seconds of each run over pixels [n, 28, 28, 1]: `most` runs, or as many as there is time for, at least one."""
    for _ in range(_WARM_UP):
        session.run(["output_1"], {"input_1": pixels})
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while not taken or (len(taken) < most and time.perf_counter() < end):
        began = time.perf_counter()
        session.run(["output_1"], {"input_1": pixels})
        taken.append(time.perf_counter() - began)
    return np.array(taken)
