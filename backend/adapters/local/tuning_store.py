"""Tuning jobs and their trials in the database; how a trial went is what its training job says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, insert, select, update

from backend.adapters.local.database import Database
from backend.adapters.local.job_store import require_free
from backend.adapters.local.schema import jobs, trials, tuning_jobs
from backend.domain.jobs import JobStatus
from backend.domain.search_space import ParameterRange
from backend.domain.training import Value, epochs_of
from backend.domain.tuning import Direction, StopMode, Strategy, Trial, TuningJob, TuningRequest
from backend.errors import NotFoundError, WrongStateError

_ENDED: Final = [status.value for status in JobStatus if status.is_terminal]


class TuningStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, request: TuningRequest, now: datetime) -> bool:
        """Add the job, begun; False when one with this key is there. Raises `InvalidInputError` for a taken name."""
        with self._database.write() as connection:
            same_key = select(tuning_jobs.c.name).where(tuning_jobs.c.request_key == request.key)
            if connection.execute(same_key).first():
                return False
            require_free(connection, request.name)
            connection.execute(
                insert(tuning_jobs).values(
                    name=request.name,
                    request_key=request.key,
                    request=_request_document(request),
                    status=JobStatus.IN_PROGRESS.value,
                    stop_mode="",
                    created_at=now,
                    started_at=now,
                    failure_reason="",
                    notices=[],
                )
            )
        return True

    def get(self, name: str) -> TuningJob:
        found = self._read(select(tuning_jobs).where(tuning_jobs.c.name == name))
        if not found:
            raise NotFoundError(f"No tuning job '{name}'.", hint="`python -m backend jobs list` shows all.")
        return found[0]

    def by_key(self, key: str) -> TuningJob:
        found = self._read(select(tuning_jobs).where(tuning_jobs.c.request_key == key))
        if not found:
            raise NotFoundError(f"No tuning job with the request key '{key}'.")
        return found[0]

    def newest_first(self) -> Sequence[TuningJob]:
        return self._read(select(tuning_jobs).order_by(tuning_jobs.c.created_at.desc(), tuning_jobs.c.name.desc()))

    def unfinished(self) -> Sequence[str]:
        query = select(tuning_jobs.c.name).where(tuning_jobs.c.status.not_in(_ENDED))
        with self._database.read() as connection:
            return connection.execute(query).scalars().all()

    def move(self, name: str, status: JobStatus, **values: Any) -> bool:
        """Move the job to `status` with `values`; False when the job cannot go there from where it is."""
        with self._database.write() as connection:
            row = connection.execute(select(tuning_jobs.c.status).where(tuning_jobs.c.name == name)).first()
            if row is None or not JobStatus(row.status).may_become(status):
                return False
            mine = tuning_jobs.c.name == name
            connection.execute(update(tuning_jobs).where(mine).values(status=status.value, **values))
        return True

    def request_stop(self, name: str, mode: StopMode) -> None:
        """Mark the job `Stopping`; its runner acts on it. Raises `WrongStateError` for a finished job."""
        job = self.get(name)
        if self.move(name, JobStatus.STOPPING, stop_mode=mode.value):
            return
        job = self.get(name)
        if job.status is not JobStatus.STOPPING:
            raise WrongStateError(f"Tuning job '{name}' cannot be stopped: it is {job.status.value}.")
        if mode is StopMode.NOW:
            with self._database.write() as connection:
                mine = tuning_jobs.c.name == name
                connection.execute(update(tuning_jobs).where(mine).values(stop_mode=mode.value))

    def tell(self, name: str, notices: Sequence[str]) -> None:
        with self._database.write() as connection:
            mine = tuning_jobs.c.name == name
            connection.execute(update(tuning_jobs).where(mine).values(notices=list(notices)))

    def add_trial(self, tuning_job: str, trial: Trial) -> None:
        with self._database.write() as connection:
            connection.execute(
                insert(trials).values(
                    tuning_job=tuning_job,
                    number=trial.number,
                    job=trial.job,
                    hyperparameters=dict(trial.hyperparameters),
                    stopped_early=int(trial.stopped_early),
                )
            )

    def mark_stopped_early(self, tuning_job: str, number: int) -> None:
        with self._database.write() as connection:
            mine = (trials.c.tuning_job == tuning_job, trials.c.number == number)
            connection.execute(update(trials).where(*mine).values(stopped_early=1))

    def _read(self, query: Select[Any]) -> Sequence[TuningJob]:
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            names = [row.name for row in rows]
            joined = (
                select(
                    trials,
                    jobs.c.status,
                    jobs.c.metrics,
                    jobs.c.hyperparameters.label("all_hyperparameters"),
                    jobs.c.started_at,
                    jobs.c.ended_at,
                    jobs.c.failure_reason,
                )
                .join(jobs, jobs.c.name == trials.c.job)
                .where(trials.c.tuning_job.in_(names))
                .order_by(trials.c.number)
            )
            of_all = connection.execute(joined).all() if names else []
        return [_job(row, [trial for trial in of_all if trial.tuning_job == row.name]) for row in rows]


def _job(row: Row[Any], rows: Sequence[Row[Any]]) -> TuningJob:
    request = _request(row.request)
    return TuningJob(
        request=request,
        status=JobStatus(row.status),
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        failure_reason=row.failure_reason,
        notices=tuple(row.notices),
        trials=tuple(_trial(trial, request) for trial in rows),
        stop_mode=StopMode(row.stop_mode) if row.stop_mode else None,
    )


def _trial(row: Row[Any], request: TuningRequest) -> Trial:
    return Trial(
        number=row.number,
        job=row.job,
        status=JobStatus(row.status),
        hyperparameters={parameter.name: row.hyperparameters[parameter.name] for parameter in request.space},
        value=row.metrics.get(request.objective),
        stopped_early=bool(row.stopped_early) and row.status != JobStatus.COMPLETED.value,
        epochs=float(row.metrics.get("epoch", 0.0)),
        planned_epochs=epochs_of(row.all_hyperparameters),
        started_at=row.started_at,
        ended_at=row.ended_at,
        failure_reason=row.failure_reason,
    )


def _request_document(request: TuningRequest) -> Mapping[str, Any]:
    whole = asdict(request)
    del whole["compute"]  # nothing to choose here
    return {
        **whole,
        "hyperparameters": dict(request.hyperparameters),
        "strategy": request.strategy.value,
        "direction": request.direction.value,
    }


def _request(document: Mapping[str, Any]) -> TuningRequest:
    space = [ParameterRange(**{**entry, "values": tuple(entry["values"])}) for entry in document["space"]]
    hyperparameters: Mapping[str, Value] = document["hyperparameters"]
    return TuningRequest(
        **{
            **document,
            "space": tuple(space),
            "hyperparameters": hyperparameters,
            "strategy": Strategy(document["strategy"]),
            "direction": Direction(document["direction"]),
        }
    )
