"""tune, and what the commands for jobs say of a tuning job."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from typing import Any, Final

from backend.assembly import Backend
from backend.cli.documents import Answer, neutral, table, tuning_document
from backend.cli.options import compute, settings
from backend.domain.jobs import JobStatus
from backend.domain.search_space import DEFAULT_SPACE, parse_space
from backend.domain.tuning import Direction, Strategy, TuningJob
from backend.services.searching import TuningPlan

POLL_SECONDS: Final = 1.0


def tune(backend: Backend, options: Namespace) -> Answer:
    space = options.space or ([] if options.autotune else DEFAULT_SPACE)
    plan = TuningPlan(
        preset=options.preset,
        overrides=settings(options.set),
        space=[parse_space(text) for text in space],
        autotune=options.autotune,
        strategy=Strategy(options.strategy),
        objective=options.objective,
        direction=Direction(options.direction) if options.direction else None,
        max_jobs=options.max_jobs,
        max_parallel=options.max_parallel,
        early_stopping=options.early_stopping,
        seed=options.seed,
        warm_start_from=options.warm_start,
        name=options.name,
        compute=compute(options),
    )
    return launched(backend, backend.searching.tune(plan, actor=backend.actor), options)


def launched(backend: Backend, job: TuningJob, options: Namespace) -> Answer:
    """The answer about a job just launched, followed first with `--wait`."""
    if options.wait:
        job = _wait(backend, job)
    ended_badly = job.status in (JobStatus.FAILED, JobStatus.STOPPED)
    return {"job": job.name, **tuning_document(job)}, summary(job), 1 if ended_badly else 0


def best_value(job: TuningJob) -> str:
    return "" if job.best_trial is None else f"{job.best_trial.value:.4f}"


def summary(job: TuningJob) -> str:
    lines = {
        "job": job.name,
        "status": job.status.value,
        "reason": job.failure_reason,
        "progress": f"{job.progress:.0%}, {len(job.trials)} of {job.request.max_jobs} trials",
        "objective": f"{job.request.objective}, {job.request.direction.value}",
        "best": f"{best_value(job)}, {job.best_trial.job}" if job.best_trial else "",
        "saved": f"{job.epochs_saved:g} epochs by early stopping" if job.epochs_saved else "",
        "resumed": f"from {job.request.resumed_from}" if job.request.resumed_from else "",
    }
    text = [f"{name:<9} {value}" for name, value in lines.items() if value]
    text += [f"notice    {notice}" for notice in job.notices]
    rows = [
        {
            "trial": trial.number,
            "status": "stopped early" if trial.stopped_early else trial.status.value,
            "value": None if trial.value is None else f"{trial.value:.4f}",
            **{
                name: f"{value:.4g}" if isinstance(value, float) else value
                for name, value in trial.hyperparameters.items()
            },
            "epochs": f"{trial.epochs:g}/{trial.planned_epochs}",
            "job": trial.job,
        }
        for trial in job.trials
    ]
    return "\n".join([*text, table(rows, "no trials yet")])


def _wait(backend: Backend, job: TuningJob) -> TuningJob:
    """Follow the job on standard error until it has ended."""
    told: Any = None
    while not job.status.is_terminal:
        time.sleep(POLL_SECONDS)
        job = backend.tuning.describe(job.name)
        news = (job.status, [trial.status for trial in job.trials], len(job.notices))
        if news != told:
            told = news
            ended = sum(trial.status.is_terminal for trial in job.trials)
            best = f"  best {job.request.objective}={best_value(job)}" if job.best_trial else ""
            line = f"{job.name}  {job.status.value}  {ended} of {job.request.max_jobs} trials ended{best}"
            print(neutral(line), file=sys.stderr, flush=True)
    return job
