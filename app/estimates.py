"""How long work will take, from what the same machine took before; and when there is nothing to go by."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from app.components.relative_time import duration
from backend.domain.jobs import JobStatus, TrainingJob
from backend.domain.search_space import ParameterRange, combinations
from backend.domain.training import Value, epochs_of
from backend.domain.tuning import TuningJob, TuningRequest

NO_HISTORY: Final = "No job with this model and data has finished here yet: no estimate."


@dataclass(frozen=True, kw_only=True)
class Pace:
    """`seconds` an epoch took in the median of `jobs` finished jobs, their starting and exporting included."""

    seconds: float
    jobs: int

    @property
    def source(self) -> str:
        return f"from {self.jobs} finished {'job' if self.jobs == 1 else 'jobs'} with this model"


def pace(history: Sequence[TrainingJob], *, models: Collection[Value], limit: Value, dataset: Value) -> Pace | None:
    """Of the completed jobs with one of the `models` on as many images of the same data; None without any."""
    took = [
        (job.ended_at - job.started_at).total_seconds() / epochs_of(job.request.hyperparameters)
        for job in history
        if job.status is JobStatus.COMPLETED
        and job.started_at is not None
        and job.ended_at is not None
        and job.request.hyperparameters.get("model") in models
        and job.request.hyperparameters.get("limit") == limit
        and job.request.hyperparameters.get("dataset") == dataset
    ]
    return Pace(seconds=median(took), jobs=len(took)) if took else None


def training_estimate(history: Sequence[TrainingJob], values: dict[str, Value]) -> str:
    """One training's length in words."""
    found = pace(history, models={values["model"]}, limit=values["limit"], dataset=values["dataset"])
    if found is None:
        return NO_HISTORY
    return f"About {_length(found.seconds * epochs_of(values))}, {found.source}."


def tuning_estimate(history: Sequence[TrainingJob], request: TuningRequest, slots: int) -> str:
    """A whole search's length in words: its trials one after another, as many at once as run here."""
    space = {parameter.name: parameter for parameter in request.space}
    shared = request.hyperparameters
    models = space["model"].values if "model" in space else (shared["model"],)
    found = pace(history, models=models, limit=shared["limit"], dataset=shared["dataset"])
    if found is None:
        return NO_HISTORY
    epochs = _mean(space["epochs"]) if "epochs" in space else float(epochs_of(shared))
    at_once = min(request.max_parallel, slots)
    trials = trials_of(request)
    how = f"{trials} {'trial' if trials == 1 else 'trials'} of {epochs:g} {'epoch' if epochs == 1 else 'epochs'}"
    pace_words = "one at a time" if at_once == 1 else f"{at_once} at a time"
    shorter = " Ending trials early makes it shorter." if _ends_early(request) else ""
    return f"About {_length(found.seconds * epochs * trials / at_once)}: {how}, {pace_words}, {found.source}.{shorter}"


def trials_of(request: TuningRequest) -> int:
    """How many trials there will be at most: fewer than asked for where there are fewer combinations."""
    size = combinations(request.space)
    return request.max_jobs if size is None else min(request.max_jobs, size)


def time_left(job: TuningJob, slots: int, now: datetime) -> timedelta | None:
    """Until the search has ended, by what its own trials took; None before one has ended."""
    took = [
        (trial.ended_at - trial.started_at).total_seconds()
        for trial in job.trials
        if trial.started_at is not None and trial.ended_at is not None and trial.is_finished
    ]
    if not took:
        return None
    usual = median(took)
    running = [t for t in job.trials if t.started_at is not None and not t.status.is_terminal]
    waiting = max(trials_of(job.request), len(job.trials)) - len(running)
    waiting -= sum(trial.status.is_terminal for trial in job.trials)
    elapsed = [(now - trial.started_at).total_seconds() for trial in running if trial.started_at is not None]
    work = usual * max(0, waiting) + sum(max(0.0, usual - so_far) for so_far in elapsed)
    return timedelta(seconds=work / min(job.request.max_parallel, slots))


def _length(seconds: float) -> str:
    return duration(timedelta(seconds=seconds))


def _mean(parameter: ParameterRange) -> float:
    numbers = [float(value) for value in parameter.values] or [parameter.low, parameter.high]
    return sum(numbers) / len(numbers)


def _ends_early(request: TuningRequest) -> bool:
    return request.early_stopping or request.strategy.value == "Hyperband"
