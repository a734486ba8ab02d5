"""A BentoML service with its own adaptive batching."""

from __future__ import annotations

import bentoml
import numpy as np
from session import Model


@bentoml.service(workers=1, traffic={"timeout": 20, "max_concurrency": 128})
class Mnist:
    def __init__(self) -> None:
        self._model = Model()

    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=1000)
    def predict(self, pixels: np.ndarray) -> np.ndarray:
        return self._model(np.asarray(pixels, np.float32))
