"""The model in ONNX Runtime, as every peer runs it: one thread, as in the archive's configuration.

The files of this folder run in the peers' own environments and import nothing of the product.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime


class Model:
    """The file that the environment's `BENCH_MODEL` names."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(
            os.environ["BENCH_MODEL"], options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Probabilities [N, 10] of images [N, 28, 28, 1] in [0, 1]."""
        (probabilities,) = self._session.run(["output_1"], {"input_1": pixels})
        return probabilities

    def of_bytes(self, body: bytes) -> bytes:
        """The same, from and to little-endian float32 without any frame."""
        return self(np.frombuffer(body, np.float32).reshape(-1, 28, 28, 1)).tobytes()
