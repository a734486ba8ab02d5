"""Tuning jobs: SageMaker's words for a search over hyperparameters, whatever engine runs it.

A tuning job asks for values within its search space, launches a training job with them (a trial), and learns from the
trial's objective. See https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from backend.domain.jobs import Compute, JobKind, JobStatus
from backend.domain.search_space import ParameterRange, combinations
from backend.domain.training import Value
from backend.errors import InvalidInputError

LONGEST_NAME: Final = 32
"""SageMaker's limit: a trial's name is longer by its number and a random part."""
MOST_JOBS: Final = 750
MOST_PARALLEL: Final = 100
HYPERBAND_EPOCHS: Final = 3
"""Fewer leave it nothing to cut short."""
_NAME: Final = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?")


class Strategy(Enum):
    """How the next values are chosen."""

    BAYESIAN = "Bayesian"
    RANDOM = "Random"
    GRID = "Grid"
    HYPERBAND = "Hyperband"


class Direction(Enum):
    MAXIMIZE = "Maximize"
    MINIMIZE = "Minimize"

    def is_better(self, value: float, other: float) -> bool:
        return value > other if self is Direction.MAXIMIZE else value < other


OBJECTIVES: Final[Mapping[str, Direction]] = {
    "val_accuracy": Direction.MAXIMIZE,
    "val_loss": Direction.MINIMIZE,
    "train_accuracy": Direction.MAXIMIZE,
    "train_loss": Direction.MINIMIZE,
}
"""What may be searched for, and which way it is better. No metric of the test set: nothing may be chosen by it."""


class StopMode(Enum):
    """How a tuning job is stopped."""

    AFTER_RUNNING = "after the running trials"
    NOW = "now"


@dataclass(frozen=True, kw_only=True)
class TuningRequest:
    """What to search for, complete. `hyperparameters` are every trial's, but for those in `space`.

    `max_jobs` trials are launched at most, `max_parallel` of them live at once. `early_stopping` ends trials that do
    worse than the others did after as many epochs. `warm_start_from` names a tuning job whose trials are learnt from
    first; `resumed_from` one whose finished trials count as this one's. `key` makes the launch idempotent.
    """

    name: str
    preset: str
    hyperparameters: Mapping[str, Value]
    space: Sequence[ParameterRange]
    requested_by: str
    key: str
    strategy: Strategy = Strategy.BAYESIAN
    objective: str = "val_accuracy"
    direction: Direction = Direction.MAXIMIZE
    max_jobs: int = 6
    max_parallel: int = 1
    early_stopping: bool = False
    seed: int = 0
    warm_start_from: str = ""
    resumed_from: str = ""
    compute: Compute = field(default_factory=Compute)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidInputError(
                f"Tuning job name '{self.name[:80]}' is not valid: 1 to {LONGEST_NAME} letters, digits and hyphens, "
                "beginning and ending with a letter or digit."
            )
        if self.objective not in OBJECTIVES:
            raise InvalidInputError(f"The objective is '{self.objective}'; expected one of {', '.join(OBJECTIVES)}.")
        _within("max_jobs", self.max_jobs, MOST_JOBS)
        _within("max_parallel", self.max_parallel, MOST_PARALLEL)
        self._check_space()

    def _check_space(self) -> None:
        names = [parameter.name for parameter in self.space]
        if not names:
            raise InvalidInputError("The search space is empty.", hint="For example: --space lr=log(1e-4,1e-1)")
        if twice := [name for name in names if names.count(name) > 1]:
            raise InvalidInputError(f"The search space names '{twice[0]}' twice.")
        if self.strategy is Strategy.GRID and combinations(self.space) is None:
            continuous = next(parameter.name for parameter in self.space if parameter.is_continuous)
            raise InvalidInputError(
                f"Grid search cannot try every value of '{continuous}': it is continuous.",
                hint=f"Name the values, for example --space {continuous}=0.001,0.01, or choose another strategy.",
            )
        if self.strategy is not Strategy.HYPERBAND:
            return
        if "epochs" in names:
            raise InvalidInputError("Hyperband decides itself how many epochs a trial gets: leave them out.")
        if int(self.hyperparameters["epochs"]) < HYPERBAND_EPOCHS:
            raise InvalidInputError(
                f"Hyperband needs trials of at least {HYPERBAND_EPOCHS} epochs; these have "
                f"{self.hyperparameters['epochs']}.",
                hint="Give them more with --set epochs=9.",
            )
        if self.early_stopping:
            raise InvalidInputError("Hyperband stops trials by itself: switch early stopping off.")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training job of a tuning job: `number` from 1, the `hyperparameters` that were chosen for it, how it went.

    `value` is the objective's last one, None until the trial has reported any. `stopped_early` tells that it was ended
    because it did worse than the others; `epochs` of `planned_epochs` were done.
    """

    number: int
    job: str
    status: JobStatus
    hyperparameters: Mapping[str, Value]
    value: float | None = None
    stopped_early: bool = False
    epochs: float = 0.0
    planned_epochs: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failure_reason: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether its value counts: completed, or ended early on its merits. What was killed or stopped is not."""
        return self.status is JobStatus.COMPLETED or (self.stopped_early and self.status.is_terminal)

    @property
    def epochs_saved(self) -> float:
        return max(0.0, self.planned_epochs - self.epochs) if self.stopped_early and self.is_finished else 0.0


@dataclass(frozen=True, kw_only=True)
class TuningJob:
    """One tuning job as its platform knows it, with its trials in the order of their numbers."""

    request: TuningRequest
    status: JobStatus
    created_at: datetime
    kind: JobKind = JobKind.TUNING
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failure_reason: str = ""
    notices: tuple[str, ...] = ()
    trials: tuple[Trial, ...] = field(default=())
    stop_mode: StopMode | None = None

    @property
    def name(self) -> str:
        return self.request.name

    @property
    def progress(self) -> float:
        """Share of the trials that have ended, 0..1; 1 for a completed search, which may have had fewer to try."""
        if self.status is JobStatus.COMPLETED:
            return 1.0
        return min(1.0, sum(trial.status.is_terminal for trial in self.trials) / self.request.max_jobs)

    @property
    def best_trial(self) -> Trial | None:
        """The completed trial with the best value, the first of equals; None while there is none."""
        best: Trial | None = None
        for trial in self.trials:
            if trial.status is not JobStatus.COMPLETED or trial.value is None:
                continue
            if best is None or best.value is None or self.request.direction.is_better(trial.value, best.value):
                best = trial
        return best

    @property
    def epochs_saved(self) -> float:
        """Epochs that early stopping spared."""
        return sum(trial.epochs_saved for trial in self.trials)

    def duration(self, now: datetime) -> timedelta | None:
        """Time spent working so far; None before it began."""
        return None if self.started_at is None else (self.ended_at or now) - self.started_at


def _within(name: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise InvalidInputError(f"{name} is {value}; expected 1 to {most}.")
