"""From what SageMaker tells of tuning jobs to ours: pure, tested alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from backend.adapters.sagemaker.job_parse import status_of, unlaunched
from backend.adapters.sagemaker.job_records import Launch, Launching
from backend.domain.jobs import JobStatus
from backend.domain.search_space import combinations
from backend.domain.tuning import StopMode, Strategy, Trial, TuningJob, TuningRequest


def unlaunched_job(
    launch: Launch, request: TuningRequest, launching: Launching | None, now: datetime, lease_seconds: float
) -> TuningJob:
    """A search that SageMaker does not know (yet): it reads as begun, because nothing is waited for."""
    status, reason = unlaunched(launching, launch.created_at, now, lease_seconds)
    return TuningJob(
        request=request,
        status=JobStatus.IN_PROGRESS if status is JobStatus.PENDING else status,
        created_at=launch.created_at,
        ended_at=None if not status.is_terminal else now if launching is None else launching.since,
        failure_reason=reason,
    )


def tuning_job(
    told: Mapping[str, Any], launch: Launch, request: TuningRequest, trials: Sequence[Trial], *, stopped: bool
) -> TuningJob:
    """The job that SageMaker describes, with its trials; `stopped` when somebody here asked for it."""
    status = status_of(told["HyperParameterTuningJobStatus"])
    return TuningJob(
        request=request,
        status=status,
        created_at=launch.created_at,
        started_at=told["CreationTime"],
        ended_at=told.get("HyperParameterTuningEndTime") if status.is_terminal else None,
        failure_reason=_reason(told, trials) if status is JobStatus.FAILED else "",
        notices=tuple(_notices(launch, request, status, trials)),
        trials=tuple(trials),
        stop_mode=StopMode.NOW if stopped else None,
    )


def course(job: TuningJob) -> str:
    """What happened in a search, a line per event, oldest first; events are only ever added at the end."""
    objective = job.request.objective
    events: list[tuple[datetime, str]] = []
    for trial in job.trials:
        values = ", ".join(f"{name}={value}" for name, value in trial.hyperparameters.items())
        if trial.started_at is not None:
            events.append((trial.started_at, f"trial {trial.number} launched as {trial.job}: {values}"))
        if trial.ended_at is not None:
            how = "stopped early" if trial.stopped_early else trial.status.value
            value = "" if trial.value is None else f", {objective}={trial.value:.4f}"
            reason = f": {trial.failure_reason}" if trial.failure_reason else ""
            events.append((trial.ended_at, f"trial {trial.number} {how}{value}{reason}"))
    if job.ended_at is not None:
        best = f", best is trial {job.best_trial.number}" if job.best_trial else ""
        events.append((job.ended_at, f"{job.status.value} after {len(job.trials)} trials{best}"))
    events.sort(key=lambda event: event[0])
    return "".join(f"{at:%Y-%m-%d %H:%M:%S}  {said}\n" for at, said in events)


def _notices(launch: Launch, request: TuningRequest, status: JobStatus, trials: Sequence[Trial]) -> list[str]:
    found = []
    if launch.finished:
        found.append(
            f"{launch.finished} finished trials of {request.resumed_from} are kept; SageMaker starts the others anew."
        )
    every = combinations(request.space)
    whole_grid = request.strategy is Strategy.GRID and status is JobStatus.COMPLETED and len(trials) == every
    if whole_grid and len(trials) < request.max_jobs:
        found.append(f"All {every} combinations were tried.")
    return found


def _reason(told: Mapping[str, Any], trials: Sequence[Trial]) -> str:
    """SageMaker's reason, and that of the first trial that failed, which is what helps."""
    said = told.get("FailureReason", "") or "SageMaker gives no reason."
    failed = [trial for trial in trials if trial.status is JobStatus.FAILED]
    if failed and len(failed) == len(trials):
        said = f"The first {len(failed)} trials failed."
    return f"{said} {failed[0].job}: {failed[0].failure_reason}" if failed else said
