"""Launching, resuming and stopping tuning jobs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from backend.domain.identity import Actor, Role
from backend.domain.jobs import Compute
from backend.domain.search_space import ParameterRange, automatic_space
from backend.domain.training import Value
from backend.domain.tuning import (
    LONGEST_NAME,
    OBJECTIVES,
    Direction,
    StopMode,
    Strategy,
    TuningJob,
    TuningRequest,
)
from backend.errors import InvalidInputError
from backend.ports.clock import Clock
from backend.ports.tuning import TuningPlatform
from backend.services import labelled_drawings
from backend.services.auditing import Auditor
from backend.services.example_sets import ExampleSetService
from backend.services.launching import complete_hyperparameters, name_after


@dataclass(frozen=True, kw_only=True)
class TuningPlan:
    """What a person chooses; the defaults are the older project's. An empty `space` with `autotune` is chosen here."""

    preset: str
    overrides: Mapping[str, Value] = field(default_factory=dict)
    space: Sequence[ParameterRange] = ()
    autotune: bool = False
    strategy: Strategy = Strategy.BAYESIAN
    objective: str = "val_accuracy"
    direction: Direction | None = None
    max_jobs: int = 6
    max_parallel: int = 1
    early_stopping: bool = False
    seed: int = 0
    warm_start_from: str = ""
    name: str = ""
    compute: Compute = field(default_factory=Compute)


class Searching:
    def __init__(self, tuning: TuningPlatform, sets: ExampleSetService, auditor: Auditor, clock: Clock) -> None:
        self._tuning = tuning
        self._sets = sets
        self._auditor = auditor
        self._clock = clock

    def tune(self, plan: TuningPlan, *, actor: Actor, key: str = "") -> TuningJob:
        """Validate and submit; an empty name is made from the time, an empty `key` is a new request.

        With a share of `hard_examples`, all trials get the set that `hard_examples_set` names. Raises
        `InvalidInputError` for a bad value, `NotFoundError` for an unknown job to learn from and an unknown set,
        `PermissionDeniedError` below operator, and `RefusedError` when no drawing was labelled yet.
        """
        self._auditor.require(
            actor, Role.OPERATOR, "launch a tuning job", action="tune", subject=f"job {plan.name}".rstrip()
        )
        request = self.request(plan, actor=actor, key=key)
        with self._auditor.audited(actor, "tune", f"job {request.name}") as effect:
            effect.after = {
                "space": [parameter.text for parameter in request.space],
                "strategy": request.strategy.value,
                "objective": request.objective,
                "max_jobs": request.max_jobs,
                "hyperparameters": dict(request.hyperparameters),
            }
            values = request.hyperparameters
            drawings = self._sets.for_training(_most_drawings(request), str(values[labelled_drawings.SET]), actor=actor)
            request = replace(request, hyperparameters=labelled_drawings.named(values, drawings))
            effect.after = {**effect.after, **labelled_drawings.told(drawings)}
            job = self._tuning.submit(request, labelled_drawings.channels(drawings))
            effect.subject = f"job {job.name}"
        return job

    def request(self, plan: TuningPlan, *, actor: Actor, key: str = "") -> TuningRequest:
        """The whole request that `plan` stands for; raises `InvalidInputError`, and submits nothing."""
        if plan.autotune and plan.space:
            raise InvalidInputError("Autotune chooses the search space itself: give none.")
        hyperparameters = complete_hyperparameters(plan.preset, plan.overrides)
        space = automatic_space(hyperparameters) if plan.autotune else tuple(plan.space)
        searched = {parameter.name for parameter in space}
        return TuningRequest(
            name=plan.name or f"tune-{self._clock():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
            preset=plan.preset,
            hyperparameters={name: value for name, value in hyperparameters.items() if name not in searched},
            space=space,
            requested_by=actor.name,
            key=key or secrets.token_hex(16),
            strategy=plan.strategy,
            objective=plan.objective,
            direction=plan.direction or OBJECTIVES.get(plan.objective, Direction.MAXIMIZE),
            max_jobs=plan.max_jobs,
            max_parallel=plan.max_parallel,
            early_stopping=plan.early_stopping,
            seed=plan.seed,
            warm_start_from=plan.warm_start_from,
            compute=plan.compute,
        )

    def resume(self, name: str, *, actor: Actor, key: str = "") -> TuningJob:
        """Launch a job that keeps the finished trials of the failed or stopped job `name` and runs the rest.

        Raises `NotFoundError`, `WrongStateError` when that job runs or has completed, and `PermissionDeniedError`
        below operator.
        """
        self._auditor.require(actor, Role.OPERATOR, "resume a tuning job", action="resume", subject=f"job {name}")
        origin = self._tuning.describe(name)
        taken = {job.name for job in self._tuning.list_jobs()}
        request = replace(
            origin.request,
            name=name_after(name, taken, LONGEST_NAME),
            requested_by=actor.name,
            key=key or secrets.token_hex(16),
            resumed_from=name,
        )
        with self._auditor.audited(actor, "resume", f"job {request.name}") as effect:
            effect.before = {"job": name, "status": origin.status.value}
            job = self._tuning.submit(request)
            effect.subject = f"job {job.name}"
        return job

    def stop(self, name: str, mode: StopMode, *, actor: Actor) -> TuningJob:
        """Ask a job to stop. Raises `NotFoundError`, and `WrongStateError` when it has ended."""
        self._auditor.require(actor, Role.OPERATOR, "stop a tuning job", action="stop", subject=f"job {name}")
        with self._auditor.audited(actor, "stop", f"job {name}") as effect:
            effect.before = {"status": self._tuning.describe(name).status.value}
            job = self._tuning.stop(name, mode)
            effect.after = {"status": job.status.value, "mode": mode.value}
        return job


def _most_drawings(request: TuningRequest) -> Value | None:
    """The largest share of labelled drawings that a trial may have."""
    searched = [parameter for parameter in request.space if parameter.name == labelled_drawings.CHANNEL]
    if searched:
        return max((float(value) for value in searched[0].values), default=searched[0].high)
    return request.hyperparameters.get(labelled_drawings.CHANNEL)
