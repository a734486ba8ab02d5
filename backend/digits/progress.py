"""What happens between the steps of a fit: reports, checkpoints, early stopping, and the end of what diverged."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy.typing as npt

from .checkpoint import Checkpoint, CheckpointFolder
from .config import TrainConfig
from .container import StopSignal
from .failures import DivergedError

FIT_SHARE: Final = 0.95
"""Share of the whole progress when the last epoch ends: export and evaluation follow."""
_REPORT_SECONDS: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class EpochPoint:
    """One epoch, counted from 1. `train_loss` is what was minimised, label smoothing and augmentation included;
    `val_loss` is the plain cross-entropy in nats. `learning_rate` is the one of the last step.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Who hears of a fit: `report` of metrics every two seconds and after each epoch, `on_epoch` of each epoch, and
    `notify` of what a person should know.
    """

    report: Callable[[Mapping[str, float | int]], None] = lambda _: None
    on_epoch: Callable[[EpochPoint], None] = lambda _: None
    notify: Callable[[str], None] = lambda _: None


def variables_of(model: keras.Model) -> list[Any]:
    """All that a model carries from step to step: weights, moving statistics, and the states of its random numbers."""
    return [variable for layer in model.layers for variable in layer.variables]


class Progress(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """The callback of one training, however many calls of `fit` it takes."""

    def __init__(
        self,
        model: keras.Model,
        config: TrainConfig,
        steps: int,
        listener: Listener,
        checkpoints: CheckpointFolder | None,
        stop: StopSignal,
    ) -> None:
        super().__init__()
        self.points: list[EpochPoint] = []
        self.stopped_early = False
        self._network = model
        self._config = config
        self._steps = steps
        self._listener = listener
        self._checkpoints = checkpoints
        self._stop = stop
        self._epoch = self._done = 0
        self._best: list[npt.NDArray[Any]] = []
        self._best_loss, self._best_epoch = math.inf, 0
        self._validated: list[npt.NDArray[Any]] = []
        self._unaveraged: list[npt.NDArray[Any]] = []
        self._epoch_began = self._reported = self._saved = time.monotonic()

    def go_on_from(self, checkpoint: Checkpoint) -> None:
        """Take over what the checkpoint's training had reported, and report it again."""
        reported = checkpoint.reported
        for values in reported["points"]:
            self._tell(EpochPoint(**values))
        self._best = list(checkpoint.best)
        self._best_loss = reported["best_loss"] if self._best else math.inf
        self._best_epoch = reported["best_epoch"]
        epoch, done = divmod(checkpoint.step, self._steps)
        self._listener.notify(f"Going on after epoch {epoch}, step {done} of {self._steps}.")

    def undo_averaging(self) -> None:
        """Give the model back the weights that the end of a `fit` replaced by their average: the next goes on."""
        if self._config.ema:
            self._network.set_weights(self._unaveraged)

    def keep_best(self) -> None:
        """After the fit, make the best epoch's weights the model's, if early stopping was asked for."""
        if self._best and self._best_epoch < len(self.points):
            self._network.set_weights(self._best)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._epoch = epoch
        self._epoch_began = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self._done = int(self._network.optimizer.iterations.value.numpy()) - self._epoch * self._steps
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):
            raise DivergedError(
                f"The training diverged: the loss became {loss} in epoch {self._epoch + 1}, step {self._done}, "
                f"with lr {self._config.lr:g}. {self._last_good()} A smaller learning rate usually helps."
            )
        if time.monotonic() - self._reported >= _REPORT_SECONDS:
            epoch = self._epoch + self._done / self._steps
            self._report({"epoch": epoch, "train_loss": loss, "learning_rate": self._rate()})
        if self._done < self._steps:  # an epoch's last step is saved with its validation
            self._save_if_due()

    def on_test_begin(self, logs: Mapping[str, float] | None = None) -> None:
        if self._config.early_stopping:
            # Here, and not at the end of the epoch, the averaged weights are in the model.
            self._validated = self._network.get_weights()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        values = logs or {}
        point = EpochPoint(
            epoch=epoch + 1,
            train_loss=float(values["loss"]),
            train_accuracy=float(values["accuracy"]),
            val_loss=float(values["val_cross_entropy"]),
            val_accuracy=float(values["val_accuracy"]),
            learning_rate=self._rate(),
            seconds=time.monotonic() - self._epoch_began,
        )
        self._epoch, self._done = epoch + 1, 0
        self._tell(point)
        if self._config.ema:
            self._unaveraged = self._network.get_weights()
        if self._config.early_stopping:
            self._stop_early(point)
        if point.epoch < self._config.epochs and not self.stopped_early:
            self._save_if_due()

    def _stop_early(self, point: EpochPoint) -> None:
        if point.val_loss < self._best_loss:
            self._best, self._best_loss, self._best_epoch = self._validated, point.val_loss, point.epoch
        elif point.epoch - self._best_epoch >= self._config.early_stopping and point.epoch < self._config.epochs:
            self.stopped_early = self._network.stop_training = True
            self._listener.notify(
                f"Stopped after epoch {point.epoch} of {self._config.epochs}: no better validation loss since epoch "
                f"{self._best_epoch}, whose weights are kept."
            )

    def _save_if_due(self) -> None:
        if self._stop.wanted:
            self._save()
            self._stop.obey()
        if time.monotonic() - self._saved >= 60.0 * self._config.checkpoint_minutes:
            self._save()

    def _save(self) -> None:
        if self._checkpoints is None:
            return
        self._saved = time.monotonic()
        try:
            self._checkpoints.save(
                Checkpoint(
                    step=self._epoch * self._steps + self._done,
                    model=_arrays(variables_of(self._network)),
                    optimizer=_arrays(self._network.optimizer.variables),
                    best=self._best,
                    reported={
                        "points": [dataclasses.asdict(point) for point in self.points],
                        "best_loss": self._best_loss if self._best else None,
                        "best_epoch": self._best_epoch,
                    },
                )
            )
        except OSError as error:
            # A full disk is no reason to lose the training itself.
            self._listener.notify(f"The checkpoint could not be written: {error}.")

    def _tell(self, point: EpochPoint) -> None:
        self.points.append(point)
        self._report(dataclasses.asdict(point))
        self._listener.on_epoch(point)

    def _report(self, values: Mapping[str, float | int]) -> None:
        self._reported = time.monotonic()
        share = FIT_SHARE * values["epoch"] / self._config.epochs
        self._listener.report({"epoch": values["epoch"], "progress": share, **values})

    def _last_good(self) -> str:
        if not self.points:
            return "No epoch had ended."
        last = self.points[-1]
        return (
            f"The last good epoch was {last.epoch}: val_accuracy {last.val_accuracy:.4f}, val_loss {last.val_loss:.4f}."
        )

    def _rate(self) -> float:
        rate = self._network.optimizer.learning_rate
        return float(rate.numpy() if hasattr(rate, "numpy") else rate)


def _arrays(variables: list[Any]) -> list[npt.NDArray[Any]]:
    return [variable.value.numpy() for variable in variables]
