"""train, jobs: whatever kind of job it is."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from contextlib import suppress
from typing import Any, Final

from backend.assembly import Backend
from backend.cli import tuning
from backend.cli.documents import Answer, Document, job_document, neutral, table, tuning_document
from backend.cli.options import compute, settings
from backend.domain.jobs import Billing, JobStatus, TrainingJob
from backend.domain.tuning import StopMode, TuningJob
from backend.errors import InvalidInputError, NotFoundError

POLL_SECONDS: Final = 1.0
_SHORTHANDS: Final = ("epochs", "lr", "batch_size", "dataset", "limit", "seed", "train_precision", "export")


def train(backend: Backend, options: Namespace) -> Answer:
    short = {name: value for name in _SHORTHANDS if (value := getattr(options, name)) is not None}
    job = backend.launching.train(
        actor=backend.actor,
        preset=options.preset,
        overrides={**settings(options.set), **short},
        name=options.name,
        compute=compute(options),
    )
    return _launched(backend, job, options)


def resume(backend: Backend, options: Namespace) -> Answer:
    if isinstance(_find(backend, options.name), TuningJob):
        return tuning.launched(backend, backend.searching.resume(options.name, actor=backend.actor), options)
    return _launched(backend, backend.launching.resume(options.name, actor=backend.actor), options)


def _launched(backend: Backend, job: TrainingJob, options: Namespace) -> Answer:
    if options.wait:
        job = _wait(backend, job)
    document: Document = {
        "job": job.name,
        "status": job.status.value,
        "metrics": dict(job.metrics),
        "archive": job.archive,
        "sha256": job.sha256,
        "run": job.run,
        "failure_reason": job.failure_reason,
        "notices": list(job.notices),
        "resumed_from": job.request.resumed_from,
    }
    ended_badly = job.status in (JobStatus.FAILED, JobStatus.STOPPED)
    return document, _summary(job), 1 if ended_badly else 0


def list_jobs(backend: Backend, options: Namespace) -> Answer:
    """Training and tuning jobs, newest first; a tuning job's trials are among them."""
    jobs: list[TrainingJob | TuningJob] = [*backend.training.list_jobs(), *backend.tuning.list_jobs()]
    jobs.sort(key=lambda job: job.created_at, reverse=True)
    rows = [
        {
            "job": job.name,
            "kind": job.kind.value,
            "status": job.status.value,
            "progress": f"{job.progress:.0%}",
            "accuracy": _metric(job, "test_accuracy") if isinstance(job, TrainingJob) else tuning.best_value(job),
            "created": f"{job.created_at:%Y-%m-%d %H:%M:%S}Z",
            "reason": job.failure_reason.split("\n")[0][:80],
        }
        for job in jobs
    ]
    empty = "No jobs yet. Launch one: python -m backend train --preset fast"
    documents = [job_document(job) if isinstance(job, TrainingJob) else tuning_document(job) for job in jobs]
    return documents, table(rows, empty), 0


def show(backend: Backend, options: Namespace) -> Answer:
    job = _find(backend, options.name)
    if isinstance(job, TuningJob):
        return tuning_document(job), tuning.summary(job), 0
    return job_document(job), _summary(job), 0


def logs(backend: Backend, options: Namespace) -> Answer:
    """With `--follow`, prints as the job writes, until it has ended."""
    platform = backend.tuning if isinstance(_find(backend, options.name), TuningJob) else backend.training
    offset, parts = 0, []
    while True:
        ended = platform.describe(options.name).status.is_terminal
        while (chunk := platform.read_log(options.name, offset)).text:
            offset = chunk.next_offset
            parts.append(chunk.text)
            if options.follow and not options.json:
                print(neutral(chunk.text), end="", flush=True)
        if ended or not options.follow:
            break
        time.sleep(POLL_SECONDS)
    shown = "" if options.follow else "".join(parts).rstrip("\n")
    return {"name": options.name, "log": "".join(parts)}, shown, 0


def stop(backend: Backend, options: Namespace) -> Answer:
    job = _find(backend, options.name)
    if isinstance(job, TuningJob):
        mode = StopMode.AFTER_RUNNING if options.after_running else StopMode.NOW
        job = backend.searching.stop(job.name, mode, actor=backend.actor)
        return tuning_document(job), f"{job.name}: {job.status.value}, {mode.value}", 0
    if options.after_running:
        raise InvalidInputError(
            f"'{job.name}' is a training job: it has no trials to wait for.", hint="Leave out --after-running."
        )
    job = backend.launching.stop(job.name, actor=backend.actor)
    return job_document(job), f"{job.name}: {job.status.value}", 0


def _find(backend: Backend, name: str) -> TrainingJob | TuningJob:
    """The job of either kind: they share their names. Raises `NotFoundError`."""
    with suppress(NotFoundError):
        return backend.tuning.describe(name)
    return backend.training.describe(name)


def _wait(backend: Backend, job: TrainingJob) -> TrainingJob:
    """Follow the job on standard error until it has ended."""
    told: Any = None
    while not job.status.is_terminal:
        time.sleep(POLL_SECONDS)
        job = backend.training.describe(job.name)
        news = (job.status, round(job.progress, 2), len(job.notices))
        if news != told:
            told = news
            line = f"{job.name}  {job.status.value}  {job.progress:.0%}  " + "  ".join(
                f"{name}={value:.4g}" for name, value in job.metrics.items() if name.startswith(("val_", "train_"))
            )
            print(neutral(line), file=sys.stderr, flush=True)
    return job


def _metric(job: TrainingJob, name: str) -> str:
    return f"{job.metrics[name]:.4f}" if name in job.metrics else ""


def _billed(billing: Billing) -> str:
    cost = "price unknown" if billing.cost is None else f"{billing.cost:.4f} {billing.currency}"
    saved = f", spot saved {billing.saved:.0%}" if billing.spot and billing.saved is not None else ""
    return f"{billing.billed_seconds} s of {billing.instances} x {billing.instance_type}, {cost}{saved}"


def _summary(job: TrainingJob) -> str:
    lines = {
        "job": job.name,
        "status": job.status.value,
        "reason": job.failure_reason,
        "progress": f"{job.progress:.0%}",
        "accuracy": _metric(job, "test_accuracy"),
        "archive": job.archive,
        "sha256": job.sha256,
        "run": job.run,
        "resumed": f"from {job.request.resumed_from}" if job.request.resumed_from else "",
        "billed": "" if job.billing is None else _billed(job.billing),
    }
    text = [f"{name:<9} {value}" for name, value in lines.items() if value]
    return "\n".join(text + [f"notice    {notice}" for notice in job.notices])
