"""Going on from a checkpoint, stopping early, and what a full disk costs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.digits import dataset, model
from backend.digits.checkpoint import Checkpoint, CheckpointFolder
from backend.digits.container import StopSignal
from backend.digits.failures import ConfigError
from backend.digits.normalise import normalise
from backend.digits.progress import Listener
from tests.integration.digits.training import TINY, train

THREE = dataclasses.replace(
    TINY, epochs=3, augmentation="affine", dropout=0.2, ema=0.9, early_stopping=2, checkpoint_minutes=1e-9
)
"""A checkpoint after every execution but the last of each epoch, and after each epoch but the last."""


@pytest.mark.parametrize("reports", [1, 2, 4])
def test_a_training_stopped_anywhere_and_resumed_ends_as_if_it_had_not_been(tmp_path: Path, reports: int) -> None:
    """18 steps an epoch, 8 an execution: it is stopped within the first epoch, at its end, and within the second."""
    stop, notices, saved = StopSignal(), list[str](), list[int]()

    class Watched(CheckpointFolder):
        def save(self, checkpoint: Any) -> None:
            super().save(checkpoint)
            saved.append(checkpoint.step)
            stop.wanted = len(saved) >= reports

    whole, points = train(THREE)
    with pytest.raises(SystemExit) as ending:
        train(THREE, checkpoints=Watched(tmp_path, THREE, print), stop=stop)
    assert ending.value.code == 143
    # Some time after the save that asked for it, the next safe point saved once more.
    assert saved == [8, 16, 18, 26, 34, 36][: reports + 1]

    listener = Listener(notify=notices.append)
    resumed, all_points = train(THREE, listener, checkpoints=CheckpointFolder(tmp_path, THREE, notices.append))

    epoch, step = divmod(saved[-1], 18)
    assert notices == [f"Going on after epoch {epoch}, step {step} of 18."]
    assert all(np.array_equal(a, b) for a, b in zip(whole, resumed, strict=True))
    validated = [(point.epoch, point.val_loss, point.val_accuracy) for point in points]
    assert [(point.epoch, point.val_loss, point.val_accuracy) for point in all_points] == validated
    assert len(list(tmp_path.iterdir())) == 2


def test_a_torn_checkpoint_is_passed_over_and_another_trainings_is_refused(tmp_path: Path) -> None:
    train(THREE, checkpoints=CheckpointFolder(tmp_path, THREE, print))
    older, newest = sorted(tmp_path.glob("checkpoint-*.npz"))
    newest.write_bytes(newest.read_bytes()[:-100])
    notices: list[str] = []

    found = CheckpointFolder(tmp_path, THREE, notices.append).newest()

    assert found is not None
    assert f"checkpoint-{found.step:010d}.npz" == older.name
    assert notices == [f"The checkpoint '{newest.name}' cannot be used (BadZipFile): trying an older one."]
    other = dataclasses.replace(THREE, lr=0.001)
    with pytest.raises(ConfigError, match=r"training with lr=0.008; this one has lr=0.001"):
        CheckpointFolder(tmp_path, other, notices.append).newest()
    later = dataclasses.replace(THREE, checkpoint_minutes=7.0)
    assert CheckpointFolder(tmp_path, later, notices.append).newest() is not None
    older.write_bytes(b"")
    assert CheckpointFolder(tmp_path, THREE, notices.append).newest() is None


def test_early_stopping_keeps_the_best_epochs_weights() -> None:
    """With a constant and far too large rate the loss goes up and down."""
    config = dataclasses.replace(TINY, epochs=30, lr=0.05, schedule="constant", early_stopping=2)
    notices: list[str] = []

    weights, points = train(config, Listener(notify=notices.append))

    best = min(points, key=lambda point: point.val_loss)
    assert len(points) == best.epoch + 2 < 30
    assert notices == [
        f"Stopped after epoch {len(points)} of 30: no better validation loss since epoch {best.epoch}, whose weights "
        "are kept."
    ]
    network = model.build(config.model)
    network.set_weights(weights)
    data = dataset.load(config.dataset, limit=config.limit, notify=print)
    probabilities = network.predict(normalise(data.validation_images), verbose=0)
    accuracy = float((probabilities.argmax(axis=1) == data.validation_labels).mean())
    assert accuracy == pytest.approx(best.val_accuracy)


def test_a_disk_that_is_full_costs_the_checkpoint_and_not_the_training(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file where the folder should be")
    notices: list[str] = []

    _, points = train(
        dataclasses.replace(THREE, epochs=1, early_stopping=0, ema=0.0),
        Listener(notify=notices.append),
        checkpoints=CheckpointFolder(tmp_path / "checkpoints", THREE, print),
    )

    assert len(points) == 1
    assert "The checkpoint could not be written" in notices[0]


def test_a_checkpoint_from_before_a_hyperparameter_was_known_is_gone_on_from_at_its_default(tmp_path: Path) -> None:
    CheckpointFolder(tmp_path, TINY, print).save(Checkpoint(step=5, model=[np.ones(2)], optimizer=[np.ones(1)]))
    (path,) = tmp_path.iterdir()
    with np.load(path) as archive:
        arrays = dict(archive)
    about = json.loads(arrays["about"].tobytes())
    del about["config"]["hard_examples"]
    np.savez(path, **arrays | {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)})

    found = CheckpointFolder(tmp_path, TINY, print).newest()

    assert found is not None
    assert found.step == 5
    with pytest.raises(ConfigError, match=r"training with hard_examples=0.0; this one has hard_examples=0.1"):
        CheckpointFolder(tmp_path, dataclasses.replace(TINY, hard_examples=0.1), print).newest()
