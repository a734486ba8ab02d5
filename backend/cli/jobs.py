"""train, jobs."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from typing import Any, Final

from backend.bootstrap import Backend
from backend.cli.documents import Answer, Document, job_document, neutral, table
from backend.domain.jobs import JobStatus, TrainingJob
from backend.domain.training import Value
from backend.errors import InvalidInputError

POLL_SECONDS: Final = 1.0
_SHORTHANDS: Final = ("epochs", "lr", "batch_size", "dataset", "limit", "seed", "train_precision", "export")


def train(backend: Backend, options: Namespace) -> Answer:
    job = backend.launching.train(
        actor=backend.actor, preset=options.preset, overrides=_overrides(options), name=options.name
    )
    return _launched(backend, job, options)


def resume(backend: Backend, options: Namespace) -> Answer:
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
    jobs = backend.training.list_jobs()
    rows = [
        {
            "job": job.name,
            "status": job.status.value,
            "progress": f"{job.progress:.0%}",
            "accuracy": _metric(job, "test_accuracy"),
            "created": f"{job.created_at:%Y-%m-%d %H:%M:%S}Z",
            "reason": job.failure_reason.split("\n")[0][:80],
        }
        for job in jobs
    ]
    empty = "No jobs yet. Launch one: python -m backend train --preset fast"
    return [job_document(job) for job in jobs], table(rows, empty), 0


def show(backend: Backend, options: Namespace) -> Answer:
    job = backend.training.describe(options.name)
    return job_document(job), _summary(job), 0


def logs(backend: Backend, options: Namespace) -> Answer:
    """With `--follow`, prints as the job writes, until it has ended."""
    offset, parts = 0, []
    while True:
        ended = backend.training.describe(options.name).status.is_terminal
        while (chunk := backend.training.read_log(options.name, offset)).text:
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
    job = backend.launching.stop(options.name, actor=backend.actor)
    return job_document(job), f"{job.name}: {job.status.value}", 0


def _overrides(options: Namespace) -> dict[str, Value]:
    overrides: dict[str, Value] = {}
    for pair in options.set:
        name, separator, value = pair.partition("=")
        if not separator:
            raise InvalidInputError(f"--set is '{pair}'; expected KEY=VALUE.")
        overrides[name] = value
    given = {name: getattr(options, name) for name in _SHORTHANDS}
    return overrides | {name: value for name, value in given.items() if value is not None}


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
    }
    text = [f"{name:<9} {value}" for name, value in lines.items() if value]
    return "\n".join(text + [f"notice    {notice}" for notice in job.notices])
