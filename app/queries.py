"""Reads for pages: cached for a moment, so that many open pages cost one look; forgotten after a write.

Only reads live here, always with a time to live, and a failure is raised and never cached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from app.context import backend
from app.reads import copied
from backend.domain.audit import AuditEvent
from backend.domain.example_sets import ExampleSet
from backend.domain.gates import GateResult, StagingLook
from backend.domain.jobs import LogChunk, MetricPoint, TrainingJob
from backend.domain.prediction import HardExample
from backend.domain.promotion import Deployment
from backend.domain.registry import Decision, ModelVersion
from backend.domain.scaling import Scale
from backend.domain.serving import Endpoint, EndpointMetrics, ServedModel, Stage
from backend.domain.tuning import TuningJob
from backend.errors import NotFoundError
from backend.services.declaring import Declared

Job = TrainingJob | TuningJob

LIVE_SECONDS: Final = 1.0
"""Pages look every two seconds: nobody sees anything older than three."""
LOG_TAIL_BYTES: Final = 64_000


@copied(ttl=LIVE_SECONDS)
def jobs() -> Sequence[TrainingJob]:
    """Every job, newest first."""
    return backend().training.list_jobs()


@copied(ttl=LIVE_SECONDS)
def job(name: str) -> TrainingJob:
    """Raises `NotFoundError`."""
    return backend().training.describe(name)


@copied(ttl=LIVE_SECONDS)
def metric_points(name: str) -> Sequence[MetricPoint]:
    """The job's reports so far, in order."""
    return backend().training.metric_points(name)


@copied(ttl=LIVE_SECONDS)
def log_tail(name: str) -> LogChunk:
    """The end of the job's log."""
    return backend().training.read_log(name, -LOG_TAIL_BYTES)


@copied(ttl=LIVE_SECONDS)
def tuning_jobs() -> Sequence[TuningJob]:
    """Every tuning job, newest first."""
    return backend().tuning.list_jobs()


@copied(ttl=LIVE_SECONDS)
def tuning_job(name: str) -> TuningJob:
    """Raises `NotFoundError`."""
    return backend().tuning.describe(name)


@copied(ttl=LIVE_SECONDS)
def tuning_log_tail(name: str) -> LogChunk:
    """The end of what the search itself wrote."""
    return backend().tuning.read_log(name, -LOG_TAIL_BYTES)


@copied(ttl=3600, max_entries=100)
def importance(name: str, finished: int) -> Mapping[str, float]:
    """Of the tuning job's hyperparameters once `finished` trials have ended: more of them say more. May take a second.

    Raises `NotFoundError`.
    """
    return backend().tuning.importance(name)


def work() -> list[Job]:
    """Training and tuning jobs that somebody launched, newest first: trials are their tuning job's matter."""
    own: list[Job] = [job for job in jobs() if not job.request.tuning_job]
    return sorted([*own, *tuning_jobs()], key=lambda job: job.created_at, reverse=True)


def any_job(name: str) -> Job:
    """The job of either kind: they share their names. Raises `NotFoundError`."""
    try:
        return job(name)
    except NotFoundError:
        return tuning_job(name)


def curve(name: str, metric: str, *, ended: bool) -> Sequence[tuple[float, float]]:
    """A training's reports of one metric as (epoch, value); epochs in fractions of one."""
    return _finished_curve(name, metric) if ended else _curve(name, metric)


@copied(ttl=3600, max_entries=5000)
def _finished_curve(name: str, metric: str) -> Sequence[tuple[float, float]]:
    return _curve(name, metric)


def _curve(name: str, metric: str) -> Sequence[tuple[float, float]]:
    reports = (point.values for point in backend().training.metric_points(name))
    return [(values["epoch"], values[metric]) for values in reports if {"epoch", metric} <= values.keys()]


def forget_jobs() -> None:
    """After a job was launched or stopped: the next look is a new one."""
    for read in (jobs, job, tuning_jobs, tuning_job):
        read.clear()


def forget_stage() -> None:
    """After something was promoted, rolled back or decided."""
    for read in (versions, decisions, endpoint, deployments, gates, declared):
        read.clear()


@copied(ttl=LIVE_SECONDS)
def declared() -> Declared:
    """What the repository declares, beside what is served. Raises `NotFoundError`, `InvalidInputError` with a line."""
    return backend().declaring.look()


@copied(ttl=LIVE_SECONDS)
def versions() -> Sequence[ModelVersion]:
    """Every model version, newest first."""
    return backend().registry.list_versions()


@copied(ttl=LIVE_SECONDS)
def endpoint(stage: Stage) -> Endpoint:
    """What the stage serves now."""
    return backend().serving.describe(stage)


@copied(ttl=LIVE_SECONDS)
def endpoint_metrics(stage: Stage) -> EndpointMetrics:
    """What the stage's server counts and times. Raises `EndpointUnavailableError`."""
    return backend().serving.measure(stage)


@copied(ttl=LIVE_SECONDS)
def scale(stage: Stage) -> Scale:
    """How many instances serve the stage. Raises `RefusedError` where there are none, `NotFoundError`."""
    return backend().scales.read(stage)


@copied(ttl=LIVE_SECONDS)
def deployments(stage: Stage) -> Sequence[Deployment]:
    """The stage's deployments, newest first; one whose process died is told so."""
    return backend().promotion.history(stage)


@copied(ttl=LIVE_SECONDS)
def decisions(version: int) -> Sequence[Decision]:
    """What was said about the version, newest first."""
    return backend().registry.decisions(version)


@copied(ttl=LIVE_SECONDS)
def gates(stage: Stage, version: int) -> Sequence[GateResult]:
    """What the stage's gates say of promoting the version now; staging's answers are remembered for ten minutes.

    Raises `InvalidInputError` where the gates are malformed.
    """
    since = endpoint(Stage.STAGING).since
    return backend().gates.evaluate(
        backend().promotion.plan(stage, version), look=lambda target: staging_look(target, since)
    )


@copied(ttl=600, show_spinner="Asking staging about 200 known digits")
def staging_look(target: ServedModel, since: datetime | None) -> StagingLook:
    """What `target`, which staging serves since then, says about the known digits; takes a second."""
    return backend().gates.look(target)


@copied(ttl=LIVE_SECONDS)
def hard_examples() -> Sequence[HardExample]:
    """Every corrected drawing, newest first."""
    return backend().examples.list_examples()


@copied(ttl=LIVE_SECONDS)
def example_sets() -> Sequence[ExampleSet]:
    """The sets of corrected drawings that were kept, newest first."""
    return backend().example_sets.list_sets()


def forget_examples() -> None:
    """After a drawing was labelled or removed, or a set was kept."""
    for read in (hard_examples, example_sets):
        read.clear()


@copied(ttl=LIVE_SECONDS)
def events() -> Sequence[AuditEvent]:
    """What was done lately, newest first."""
    return backend().audit.list_events(limit=50)
