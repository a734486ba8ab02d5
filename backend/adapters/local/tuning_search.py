"""The search itself, by Optuna: which values to try next, and which trial to end early.

Its study lies in Optuna's own journal file, so that Optuna's tools can open it. It is written only: what a tuning job
knows about its trials is in the database. See https://optuna.readthedocs.io/en/stable/
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import TrialState

from backend.domain.jobs import JobStatus
from backend.domain.search_space import ParameterRange, combinations, every_combination
from backend.domain.training import Value
from backend.domain.tuning import Direction, Strategy, Trial, TuningRequest

_STARTUP_TRIALS = 3
"""So many trials must have gone to their end before one is compared with them: Optuna's five leave a search of the
usual six trials nothing to stop."""
_SMALL_SPACE = 100_000
_DIRECTIONS = {Direction.MAXIMIZE: StudyDirection.MAXIMIZE, Direction.MINIMIZE: StudyDirection.MINIMIZE}

Values = Mapping[str, Value]


class Search:
    """Asks Optuna for values, and tells it what came of them. Trials are known by their numbers."""

    def __init__(
        self, request: TuningRequest, file: Path, *, finished: Sequence[Trial] = (), earlier: Sequence[Trial] = ()
    ) -> None:
        """`finished` are trials of this job's own past, `earlier` those of another job that it learns from."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._request = request
        self._space = {parameter.name: _distribution(parameter) for parameter in request.space}
        self._study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(file))),
            study_name=request.name,
            direction=_DIRECTIONS[request.direction],
            # With a past, the same seed would ask for the first trials' values again.
            sampler=_sampler(request, seed=request.seed + len(finished)),
            pruner=_pruner(request),
        )
        self._tried: set[tuple[Value, ...]] = set()
        self._trials: dict[int, optuna.trial.Trial] = {}
        self._random = random.Random(request.seed)  # noqa: S311 - a search, not a secret
        for trial in [*earlier, *finished]:
            self._learn(trial)
        self._tried = {self._key(trial.hyperparameters) for trial in finished}
        size = combinations(request.space)
        self._size = size if size is not None and size <= _SMALL_SPACE else None
        self._grid = every_combination(request.space) if request.strategy is Strategy.GRID else iter(())

    def ask(self, number: int, again: Values | None = None) -> Values | None:
        """Values for trial `number`; None when every combination was tried. `again` are values that it must have."""
        if again is not None:
            self._study.enqueue_trial(dict(again))
        elif self._request.strategy is Strategy.GRID:
            following = next((point for point in self._grid if self._key(point) not in self._tried), None)
            if following is None:
                return None
            self._study.enqueue_trial(following)
        elif self._size is not None and len(self._tried) >= self._size:
            return None
        trial = self._study.ask(fixed_distributions=self._space)
        if again is None and self._size is not None and self._key(trial.params) in self._tried:
            # Among few combinations a sampler repeats itself; the same training twice would teach nothing.
            self._study.tell(trial, state=TrialState.FAIL)
            self._study.enqueue_trial(dict(self._random.choice(list(self._untried()))))
            trial = self._study.ask(fixed_distributions=self._space)
        self._tried.add(self._key(trial.params))
        self._trials[number] = trial
        return dict(trial.params)

    def report(self, number: int, epoch: int, value: float) -> bool:
        """What the trial's objective was after `epoch`; true when the trial should be ended."""
        trial = self._trials[number]
        trial.report(value, step=epoch)
        return self._prunes and trial.should_prune()

    def tell(self, trial: Trial) -> None:
        """How the trial ended."""
        asked = self._trials.pop(trial.number)
        if trial.status is JobStatus.COMPLETED and trial.value is not None:
            self._study.tell(asked, trial.value)
        else:
            self._study.tell(asked, state=TrialState.PRUNED if trial.stopped_early else TrialState.FAIL)

    @property
    def _prunes(self) -> bool:
        return self._request.early_stopping or self._request.strategy is Strategy.HYPERBAND

    def _learn(self, trial: Trial) -> None:
        """Leaves out what has no place in this space: Optuna could not use it."""
        fits = all(
            name in trial.hyperparameters and _contains(distribution, trial.hyperparameters[name])
            for name, distribution in self._space.items()
        )
        if not fits or trial.value is None or trial.status is not JobStatus.COMPLETED:
            return
        self._study.add_trial(
            optuna.trial.create_trial(
                params={name: trial.hyperparameters[name] for name in self._space},
                distributions=self._space,
                value=trial.value,
            )
        )

    def _key(self, values: Mapping[str, Any]) -> tuple[Value, ...]:
        return tuple(values[name] for name in self._space)

    def _untried(self) -> Iterator[Values]:
        return (point for point in every_combination(self._request.space) if self._key(point) not in self._tried)


def importance(request: TuningRequest, finished: Sequence[Trial]) -> Mapping[str, float]:
    """PED-ANOVA's share of each hyperparameter, largest first (Watanabe et al., https://arxiv.org/abs/2304.10255).

    Empty with fewer than four values, or when all are the same: then nothing explains anything.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {parameter.name: _distribution(parameter) for parameter in request.space}
    study = optuna.create_study(direction=_DIRECTIONS[request.direction])
    values = []
    for trial in finished:
        if trial.value is not None and trial.status is JobStatus.COMPLETED:
            values.append(trial.value)
            params = {name: trial.hyperparameters[name] for name in space}
            study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=trial.value))
    if len(values) < 4 or len(set(values)) < 2:
        return {}
    found = optuna.importance.get_param_importances(study, evaluator=optuna.importance.PedAnovaImportanceEvaluator())
    total = sum(found.values())
    if not total > 0.0:
        return {}
    return dict(sorted(((name, value / total) for name, value in found.items()), key=lambda item: -item[1]))


def _distribution(parameter: ParameterRange) -> BaseDistribution:
    if parameter.values:
        return CategoricalDistribution(parameter.values)
    if parameter.integer:
        return IntDistribution(int(parameter.low), int(parameter.high), log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def _contains(distribution: BaseDistribution, value: Value) -> bool:
    if isinstance(distribution, IntDistribution | FloatDistribution):
        return isinstance(value, int | float) and distribution.low <= value <= distribution.high
    return isinstance(distribution, CategoricalDistribution) and value in distribution.choices


def _sampler(request: TuningRequest, *, seed: int) -> optuna.samplers.BaseSampler:
    if request.strategy in (Strategy.RANDOM, Strategy.GRID):
        return optuna.samplers.RandomSampler(seed=seed)
    # A fifth of the trials at random first: Optuna's ten would leave a short search nothing but chance.
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=min(10, max(3, request.max_jobs // 5)))


def _pruner(request: TuningRequest) -> optuna.pruners.BasePruner:
    if request.strategy is Strategy.HYPERBAND:
        most = int(request.hyperparameters["epochs"])
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=most, reduction_factor=3)
    if request.early_stopping:
        return optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS)
    return optuna.pruners.NopPruner()
