"""Training jobs in the database; the rows are written by the launcher, the job's runner and whoever stops it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from backend.adapters.local.database import Database
from backend.adapters.local.home import Home
from backend.adapters.local.schema import jobs, metric_points, tuning_jobs
from backend.domain.jobs import JobKind, JobStatus, MetricPoint, TrainingJob, TrainingRequest
from backend.errors import InvalidInputError, NotFoundError, WrongStateError

_LIVE = (JobStatus.IN_PROGRESS.value, JobStatus.STOPPING.value)


def require_free(connection: Connection, name: str) -> None:
    """Training and tuning jobs share their names: raises `InvalidInputError` when there is one called `name`."""
    for table in (jobs, tuning_jobs):
        if connection.execute(select(table.c.name).where(table.c.name == name)).first():
            raise InvalidInputError(f"Job name '{name}' is taken.", hint="Choose another name.")


class JobStore:
    """Reads and moves jobs; every move is checked against `JobStatus.may_become` inside its transaction."""

    def __init__(self, database: Database, home: Home) -> None:
        self._database = database
        self._home = home

    def insert(self, request: TrainingRequest, now: datetime) -> bool:
        """Add a pending job; False when a job with this key is already there.

        Raises `InvalidInputError` when another request has the name.
        """
        with self._database.write() as connection:
            same_key = select(jobs.c.name).where(jobs.c.request_key == request.key)
            if connection.execute(same_key).first():
                return False
            require_free(connection, request.name)
            connection.execute(
                insert(jobs).values(
                    name=request.name,
                    request_key=request.key,
                    kind=JobKind.TRAINING.value,
                    status=JobStatus.PENDING.value,
                    preset=request.preset,
                    hyperparameters=dict(request.hyperparameters),
                    requested_by=request.requested_by,
                    created_at=now,
                    failure_reason="",
                    progress=0.0,
                    metrics={},
                    notices=[],
                    resumed_from=request.resumed_from,
                    tuning_job=request.tuning_job,
                    sha256="",
                    run="",
                )
            )
        return True

    def get(self, name: str) -> TrainingJob:
        with self._database.read() as connection:
            row = connection.execute(select(jobs).where(jobs.c.name == name)).first()
        if row is None:
            raise NotFoundError(f"No job '{name}'.", hint="`python -m backend jobs list` shows all.")
        return self._job(row)

    def by_key(self, key: str) -> TrainingJob:
        with self._database.read() as connection:
            row = connection.execute(select(jobs).where(jobs.c.request_key == key)).first()
        if row is None:
            raise NotFoundError(f"No job with the request key '{key}'.")
        return self._job(row)

    def newest_first(self) -> Sequence[TrainingJob]:
        with self._database.read() as connection:
            rows = connection.execute(select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.name.desc())).all()
        return [self._job(row) for row in rows]

    def unfinished(self) -> Sequence[str]:
        waiting_or_live = (JobStatus.PENDING.value, *_LIVE)
        with self._database.read() as connection:
            return connection.execute(select(jobs.c.name).where(jobs.c.status.in_(waiting_or_live))).scalars().all()

    def unfinished_trials(self, tuning_job: str) -> Sequence[str]:
        """Names of the tuning job's trials that have not ended."""
        waiting_or_live = (JobStatus.PENDING.value, *_LIVE)
        query = select(jobs.c.name).where(jobs.c.tuning_job == tuning_job, jobs.c.status.in_(waiting_or_live))
        with self._database.read() as connection:
            return connection.execute(query).scalars().all()

    def take_slot(self, name: str, slots: int, now: datetime) -> bool:
        """Begin the pending job if fewer than `slots` run and no job launched before it still waits."""
        with self._database.write() as connection:
            running = connection.execute(select(func.count()).where(jobs.c.status.in_(_LIVE))).scalar_one()
            first = connection.execute(
                select(jobs.c.name)
                .where(jobs.c.status == JobStatus.PENDING.value)
                .order_by(jobs.c.created_at, jobs.c.name)
            ).first()
            if running >= slots or first is None or first.name != name:
                return False
            values = {"status": JobStatus.IN_PROGRESS.value, "started_at": now}
            connection.execute(update(jobs).where(jobs.c.name == name).values(values))
        return True

    def move(self, name: str, status: JobStatus, **values: Any) -> bool:
        """Move the job to `status` with `values`; False when the job cannot go there from where it is."""
        with self._database.write() as connection:
            row = connection.execute(select(jobs.c.status).where(jobs.c.name == name)).first()
            if row is None or not JobStatus(row.status).may_become(status):
                return False
            connection.execute(update(jobs).where(jobs.c.name == name).values(status=status.value, **values))
        return True

    def request_stop(self, name: str) -> None:
        """Mark the job `Stopping`; its runner acts on it. Raises `WrongStateError` for a finished job."""
        job = self.get(name)
        if not self.move(name, JobStatus.STOPPING):
            job = self.get(name)
            if job.status is not JobStatus.STOPPING:
                raise WrongStateError(f"Training job '{name}' cannot be stopped: it is {job.status.value}.")

    def report(self, name: str, points: Sequence[MetricPoint], notices: Sequence[str]) -> None:
        """Append the reports and make their values, and the notices, the job's newest."""
        with self._database.write() as connection:
            row = connection.execute(select(jobs.c.metrics, jobs.c.progress).where(jobs.c.name == name)).one()
            newest: dict[str, float] = dict(row.metrics)
            for point in points:
                newest |= point.values
            if points:
                connection.execute(
                    insert(metric_points),
                    [{"job": name, "seq": p.seq, "at": p.at, "metric_values": dict(p.values)} for p in points],
                )
            progress = newest.pop("progress", row.progress)
            values = {"metrics": newest, "progress": progress, "notices": list(notices)}
            connection.execute(update(jobs).where(jobs.c.name == name).values(values))

    def points(self, name: str, after: int) -> Sequence[MetricPoint]:
        query = (
            select(metric_points)
            .where(metric_points.c.job == name, metric_points.c.seq > after)
            .order_by(metric_points.c.seq)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [MetricPoint(seq=row.seq, at=row.at, values=row.metric_values) for row in rows]

    def _job(self, row: Row[Any]) -> TrainingJob:
        folder = self._home.job(row.name)
        completed = row.status == JobStatus.COMPLETED.value
        hyperparameters: Mapping[str, str | int | float] = row.hyperparameters
        return TrainingJob(
            request=TrainingRequest(
                name=row.name,
                preset=row.preset,
                hyperparameters=hyperparameters,
                requested_by=row.requested_by,
                key=row.request_key,
                resumed_from=row.resumed_from,
                tuning_job=row.tuning_job,
            ),
            status=JobStatus(row.status),
            created_at=row.created_at,
            kind=JobKind(row.kind),
            started_at=row.started_at,
            ended_at=row.ended_at,
            failure_reason=row.failure_reason,
            progress=row.progress,
            metrics=row.metrics,
            notices=tuple(row.notices),
            archive=str(folder.archive) if completed else "",
            sha256=row.sha256,
            output=str(folder.output_archive) if completed else "",
            run=row.run,
        )
