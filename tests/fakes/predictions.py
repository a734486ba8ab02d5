"""Versions that were run on images, and say of them what a test wants them to say."""

from __future__ import annotations

from array import array
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from backend.domain.evaluation import Evaluation
from backend.domain.predictions import DataKind, LabelledImages, Predictions
from tests.contract.archives import good_archive
from tests.fakes import trainer
from tests.fakes.backend import World

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def add_versions(world: World, count: int, folder: Path) -> None:
    """Versions 1 to `count` of archives made elsewhere, never run."""
    for number in range(1, count + 1):
        archive = good_archive(folder / f"{number}.tar.gz", sharpness=float(number))
        world.backend.registration.register_archive(archive, actor=world.backend.actor)


def says(
    world: World,
    number: int,
    wrong: Collection[int],
    *,
    n: int = 1_000,
    kind: DataKind = DataKind.TEST,
    seed: int = 0,
    after: int = 0,
) -> str:
    """The version reads all but the images `wrong` right; returns the name of the data, other ones for another seed."""
    labels = bytes(place % 10 for place in range(n))
    pixels = np.random.default_rng(seed).integers(0, 256, 784 * n, np.uint8).tobytes()
    data = LabelledImages(name=f"set-{seed}", images=pixels, labels=labels)
    predicted = bytes((label + 1) % 10 if place in wrong else label for place, label in enumerate(labels))
    probabilities = array("f", [0.01] * 10 * n)
    for place, digit in enumerate(predicted):
        probabilities[10 * place + digit] = 0.91
    world.backend.evaluations.save_data(data)
    world.backend.evaluations.save(
        Predictions(
            archive_sha256=world.backend.registry.get(number).sha256,
            kind=kind,
            data_name=data.name,
            data_sha256=data.sha256,
            at=NOON + timedelta(seconds=after),
            labels=labels,
            predicted=predicted,
            probabilities=probabilities,
        )
    )
    return data.sha256


def measured(world: World, number: int, *, latency_ms: float, kibibytes: int = 100) -> None:
    """What running the version's archive told of its size and speed."""
    told = Evaluation.from_document(trainer.evaluation())
    assert told.performance is not None
    performance = replace(told.performance, latency_p50_ms=latency_ms, file_bytes=kibibytes * 1024)
    world.backend.registry.record_evaluation(number, replace(told, performance=performance, measured_at=NOON))
