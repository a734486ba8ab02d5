"""How long work will take, from what the same machine took before; and when there is nothing to go by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from app.components.relative_time import duration
from backend.domain.jobs import JobStatus, Outlook, TrainingJob
from backend.domain.search_space import ParameterRange, combinations
from backend.domain.training import Value, epochs_of
from backend.domain.tuning import TuningJob, TuningRequest

NO_HISTORY: Final = "No job with this model and data has finished here yet: no estimate."

PRICE_UNKNOWN: Final = "Price unknown: give a file of prices as DIGITS_PRICES, or the right to ask AWS's Price List."


@dataclass(frozen=True, kw_only=True)
class Pace:
    """`seconds` an epoch took in the median of `jobs` finished jobs, their starting and exporting included."""

    seconds: float
    jobs: int

    @property
    def source(self) -> str:
        return f"from {self.jobs} finished {'job' if self.jobs == 1 else 'jobs'} with this model"


def pace(
    history: Sequence[TrainingJob], *, models: Collection[Value], limit: Value, dataset: Value, instance: str
) -> Pace | None:
    """Of the completed jobs with one of the `models` on as many images of the same data, on the same type of instance;
    None without any.
    """
    took = [
        (job.ended_at - job.started_at).total_seconds() / epochs_of(job.request.hyperparameters)
        for job in history
        if job.status is JobStatus.COMPLETED
        and job.started_at is not None
        and job.ended_at is not None
        and job.request.hyperparameters.get("model") in models
        and job.request.hyperparameters.get("limit") == limit
        and job.request.hyperparameters.get("dataset") == dataset
        and job.request.compute.instance_type == instance
    ]
    return Pace(seconds=median(took), jobs=len(took)) if took else None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A length in words, and the seconds of work that are paid for; None where there is nothing to go by."""

    words: str = NO_HISTORY
    work: float | None = None


def training_estimate(history: Sequence[TrainingJob], values: Mapping[str, Value], instance: str = "") -> Estimate:
    """One training's length."""
    found = pace(history, models={values["model"]}, limit=values["limit"], dataset=values["dataset"], instance=instance)
    if found is None:
        return Estimate()
    work = found.seconds * epochs_of(values)
    return Estimate(words=f"About {_length(work)}, {found.source}.", work=work)


def tuning_estimate(history: Sequence[TrainingJob], request: TuningRequest, slots: int) -> Estimate:
    """A whole search's length: its trials one after another, as many at once as run here."""
    space = {parameter.name: parameter for parameter in request.space}
    shared = request.hyperparameters
    models = space["model"].values if "model" in space else (shared["model"],)
    instance = request.compute.instance_type
    found = pace(history, models=models, limit=shared["limit"], dataset=shared["dataset"], instance=instance)
    if found is None:
        return Estimate()
    epochs = _mean(space["epochs"]) if "epochs" in space else float(epochs_of(shared))
    at_once = min(request.max_parallel, slots)
    trials = trials_of(request)
    how = f"{trials} {'trial' if trials == 1 else 'trials'} of {epochs:g} {'epoch' if epochs == 1 else 'epochs'}"
    pace_words = "one at a time" if at_once == 1 else f"{at_once} at a time"
    shorter = " Ending trials early makes it shorter." if _ends_early(request) else ""
    work = found.seconds * epochs * trials
    return Estimate(words=f"About {_length(work / at_once)}: {how}, {pace_words}, {found.source}.{shorter}", work=work)


def cost_estimate(estimate: Estimate, outlook: Outlook, *, spot: bool) -> str:
    """What the work costs in words: the price of an hour alone where nobody can tell how long it takes."""
    if outlook.hourly_price == 0:
        return "Costs nothing: it runs on this machine."
    if outlook.hourly_price is None:
        return PRICE_UNKNOWN
    price = f"${outlook.hourly_price:,.2f} an hour"
    less = "; spot capacity costs less" if spot else ""
    if estimate.work is None:
        return f"Costs {price} of each instance{less}."
    return f"Costs about ${outlook.hourly_price * estimate.work / 3600:,.2f}, at {price}{less}."


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
