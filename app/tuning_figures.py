"""A tuning job's trials as figures to draw. What has not finished is a gap, never a zero."""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.components.parallel_coordinates import Axis
from app.components.trial_charts import History, Points
from backend.domain.jobs import JobStatus
from backend.domain.search_space import ParameterRange
from backend.domain.training import Value, hyperparameter
from backend.domain.tuning import Direction, Trial, TuningJob


def best_so_far(job: TuningJob) -> Points:
    """(trial number, best value up to it), from the first completed trial to the last trial that has ended."""
    found: Points = []
    best: float | None = None
    for trial in job.trials:
        if not trial.status.is_terminal:
            continue
        completed = trial.status is JobStatus.COMPLETED and trial.value is not None
        if completed and (best is None or job.request.direction.is_better(trial.value or 0.0, best)):
            best = trial.value
        if best is not None:
            found.append((trial.number, best))
    return found


def history(job: TuningJob, parent: TuningJob | None = None) -> History:
    """What to draw over the trial numbers; `parent` is the job that this one learnt from."""
    completed = [
        (float(trial.number), trial.value)
        for trial in job.trials
        if trial.status is JobStatus.COMPLETED and trial.value is not None
    ]
    early = [
        (float(trial.number), trial.value)
        for trial in job.trials
        if trial.stopped_early and trial.is_finished and trial.value is not None
    ]
    # Only what went to its end is learnt from, so only that is shown of the parent.
    lessons = [
        trial.value
        for trial in (parent.trials if parent else ())
        if trial.status is JobStatus.COMPLETED and trial.value is not None
    ]
    before = [(float(index - len(lessons) + 1), value) for index, value in enumerate(lessons)]
    return History(completed=completed, stopped_early=early, best=best_so_far(job), before=before)


def near_the_best(job: TuningJob) -> tuple[float, float] | None:
    """The range of the better half of the completed trials, with some room; None while there are fewer than two."""
    values = [t.value for t in job.trials if t.status is JobStatus.COMPLETED and t.value is not None]
    if len(values) < 2:
        return None
    better_first = sorted(values, reverse=job.request.direction is Direction.MAXIMIZE)
    half = better_first[: max(2, math.ceil(len(values) / 2))]
    low, high = min(half), max(half)
    room = 0.15 * (high - low) or 0.01 * (abs(high) or 1.0)
    digits = 2 - math.floor(math.log10(high - low + 2 * room))  # a chart leaves room for every digit of its ends
    return round(low - room, digits), round(high + room, digits)


def finished(job: TuningJob) -> list[Trial]:
    """The trials whose values say something about the space."""
    return [trial for trial in job.trials if trial.is_finished and trial.value is not None]


def axes(job: TuningJob) -> list[Axis]:
    """One axis per searched hyperparameter, crossed by every finished trial; the objective is the last."""
    trials = finished(job)
    found = [
        _axis(parameter, [trial.hyperparameters[parameter.name] for trial in trials]) for parameter in job.request.space
    ]
    values = [trial.value for trial in trials if trial.value is not None]
    return [*found, _linear(job.request.objective, values, min(values), max(values))] if values else []


def _axis(parameter: ParameterRange, values: Sequence[Value]) -> Axis:
    label = hyperparameter(parameter.name).label
    if parameter.values:
        # A list is told apart, not measured: each value has its place, in its order.
        places = {value: float(place) for place, value in enumerate(parameter.values)}
        words = [text_of(value) for value in parameter.values]
        return Axis(
            label=label,
            values=[places.get(value, 0.0) for value in values],
            low=0.0,
            high=max(1.0, len(words) - 1.0),
            ticks=[float(place) for place in range(len(words))],
            words=words,
        )
    numbers = [float(value) for value in values]
    if parameter.log:
        return _logarithmic(label, numbers, parameter.low, parameter.high)
    return _linear(label, numbers, parameter.low, parameter.high)


def _logarithmic(label: str, values: Sequence[float], low: float, high: float) -> Axis:
    first, last = math.log10(low), math.log10(high)
    decades = [float(power) for power in range(math.ceil(first), math.floor(last) + 1)]
    inner = [power for power in decades if min(power - first, last - power) > 0.08 * (last - first)]
    ticks = [first, *inner, last]
    return Axis(
        label=label,
        values=[math.log10(value) for value in values],
        low=first,
        high=last,
        ticks=ticks,
        words=[f"{10**tick:.3g}" for tick in ticks],
    )


def _linear(label: str, values: Sequence[float], low: float, high: float) -> Axis:
    if high <= low:
        low, high = around(low)
    ticks = [low + (high - low) * share / 4 for share in range(5)]
    return Axis(
        label=label, values=list(values), low=low, high=high, ticks=ticks, words=[f"{tick:.4g}" for tick in ticks]
    )


def around(value: float) -> tuple[float, float]:
    """A range to draw one value in: a hundredth to each side, not the half of it that charts would take."""
    room = 0.01 * (abs(value) or 1.0)
    return value - room, value + room


def text_of(value: Value) -> str:
    """A hyperparameter's value as people read it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def range_words(parameter: ParameterRange) -> str:
    """`0.001, 0.01` or `0.001 to 0.03, log`."""
    if parameter.values:
        return ", ".join(text_of(value) for value in parameter.values)
    return f"{parameter.low:.6g} to {parameter.high:.6g}{', log' if parameter.log else ''}"
