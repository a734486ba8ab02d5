"""The command line that does what a form says: nothing left out, nothing that is the default anyway."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from backend.domain.jobs import Compute
from backend.domain.training import Value, resolve
from backend.domain.tuning import OBJECTIVES, Strategy
from backend.services.searching import TuningPlan

_PROGRAM = ("python", "-m", "backend")


def train_command(preset: str, values: Mapping[str, Value], name: str, compute: Compute | None = None) -> str:
    """`train` with what differs from the preset."""
    base = resolve(preset, {})
    words = [*_PROGRAM, "train", "--preset", preset, *_settings(values, base), *_compute(compute or Compute())]
    return shlex.join(words + (["--name", name] if name else []))


def tune_command(plan: TuningPlan) -> str:
    """`tune` with the whole space and what else differs from the defaults of the command."""
    base = resolve(plan.preset, {})
    searched = {parameter.name for parameter in plan.space}
    words = [*_PROGRAM, "tune", "--preset", plan.preset]
    words += [word for parameter in plan.space for word in ("--space", parameter.text)]
    words += ["--autotune"] if plan.autotune else []
    words += _settings({name: value for name, value in plan.overrides.items() if name not in searched}, base)
    defaults = TuningPlan(preset=plan.preset)
    words += ["--strategy", plan.strategy.value] if plan.strategy is not Strategy.BAYESIAN else []
    words += ["--objective", plan.objective] if plan.objective != defaults.objective else []
    if plan.direction is not None and plan.direction is not OBJECTIVES[plan.objective]:
        words += ["--direction", plan.direction.value]
    words += ["--max-jobs", str(plan.max_jobs)] if plan.max_jobs != defaults.max_jobs else []
    words += ["--max-parallel", str(plan.max_parallel)] if plan.max_parallel != defaults.max_parallel else []
    words += ["--early-stopping"] if plan.early_stopping else []
    words += ["--seed", str(plan.seed)] if plan.seed != defaults.seed else []
    words += ["--warm-start", plan.warm_start_from] if plan.warm_start_from else []
    words += _compute(plan.compute)
    return shlex.join(words + (["--name", plan.name] if plan.name else []))


def _compute(compute: Compute) -> list[str]:
    words = ["--instance-type", compute.instance_type] if compute.instance_type else []
    words += ["--spot"] if compute.spot else []
    words += ["--max-minutes", str(compute.max_minutes)] if compute.max_minutes else []
    return words + (["--max-wait-minutes", str(compute.max_wait_minutes)] if compute.max_wait_minutes else [])


def _settings(values: Mapping[str, Value], base: Mapping[str, Value]) -> list[str]:
    # str() of a float is the shortest text that reads as the same float again.
    return [word for name in values if values[name] != base[name] for word in ("--set", f"{name}={values[name]}")]
