"""Trainings of seconds."""

from __future__ import annotations

import numpy as np

from backend.digits import dataset, fitting, model
from backend.digits.checkpoint import CheckpointFolder
from backend.digits.config import TrainConfig
from backend.digits.container import StopSignal
from backend.digits.pipeline import Mix
from backend.digits.progress import EpochPoint, Listener

TINY = TrainConfig(dataset="digits8x8", limit=600, epochs=1, batch_size=32)


def train(
    config: TrainConfig,
    listener: Listener | None = None,
    *,
    checkpoints: CheckpointFolder | None = None,
    stop: StopSignal | None = None,
) -> tuple[list[np.ndarray], tuple[EpochPoint, ...]]:
    data = dataset.load(config.dataset, limit=config.limit, notify=print)
    fitting.make_reproducible(config.seed)
    network = model.build(config.model, dropout=config.dropout)
    mix = Mix(data.train)
    points = fitting.fit(network, data, mix, config, listener or Listener(), checkpoints=checkpoints, stop=stop)
    return [np.asarray(weights) for weights in network.get_weights()], points
