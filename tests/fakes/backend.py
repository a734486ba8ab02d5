"""A whole backend on a temporary home: real database and services, the stand-in trainer, and a serving of choice."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from backend.adapters.local.candidates import LocalCandidates
from backend.adapters.local.database import Database
from backend.adapters.local.home import Home
from backend.adapters.local.job_store import JobStore
from backend.adapters.local.packing import pack, sha256_of
from backend.adapters.local.processes import FileLock
from backend.adapters.local.training import LocalTraining
from backend.adapters.local.tuning import LocalTuning
from backend.adapters.local.tuning_store import TuningStore
from backend.assembly import Backend, assemble
from backend.domain.gates import Gate, GateName
from backend.domain.identity import Actor, Role
from backend.domain.jobs import JobStatus, MetricPoint, TrainingRequest
from backend.domain.search_space import ParameterRange, parse_space
from backend.domain.serving import Stage
from backend.domain.training import Value, resolve
from backend.domain.tuning import Trial, TuningRequest
from backend.ports.load import LoadGenerator
from backend.ports.serving import ServingPlatform
from backend.settings import Settings
from tests.contract.archives import good_archive, template_model, write_archive
from tests.fakes import trainer
from tests.fakes.evaluator import InProcessEvaluator
from tests.fakes.load import FakeLoad
from tests.fakes.tracking import FakeRuns
from tests.fakes.uploads import FakeUploads

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


APPROVAL_ONLY: Mapping[Stage, tuple[Gate, ...]] = {stage: (Gate(name=GateName.APPROVED),) for stage in Stage}
"""Gates of worlds whose tests are about something else: a version may go straight to prod."""


@dataclass(frozen=True, kw_only=True)
class Somebody:
    """`Identity` of one person."""

    name: str
    role: Role

    def actor(self) -> Actor:
        return Actor(name=self.name, role=self.role)


@dataclass(frozen=True, kw_only=True)
class World:
    """The backend, and its database for tests that need a past."""

    backend: Backend
    store: JobStore
    searches: TuningStore
    home: Home
    candidates: LocalCandidates
    runs: FakeRuns = field(default_factory=FakeRuns)
    """What `backend.runs` reads."""
    uploads: FakeUploads = field(default_factory=FakeUploads)
    """Where `backend.run_sync` brings runs."""
    held: list[FileLock] = field(default_factory=list)
    """Locks of jobs that are to live: a job whose lock nobody holds reads as failed."""

    def acting_as(self, role: Role) -> World:
        return replace(self, backend=replace(self.backend, identity=Somebody(name="ada", role=role)))

    def add_job(
        self,
        name: str,
        status: JobStatus = JobStatus.COMPLETED,
        *,
        created: datetime = NOON,
        sharpness: float = 1.0,
        onnx: bytes | None = None,
        claims: Mapping[str, object] | None = None,
        **overrides: Value,
    ) -> None:
        """A job with a past: `status` it is in now; a completed one has its archives.

        The model is the good one by `sharpness`, or `onnx`; the training `claims` the usual of it, or what is given.
        """
        hyperparameters = resolve("fast", overrides)
        request = TrainingRequest(
            name=name, preset="fast", hyperparameters=hyperparameters, requested_by="ada", key=f"key-{name}"
        )
        self.store.insert(request, created)
        if status is JobStatus.PENDING:
            return
        self.store.move(name, JobStatus.IN_PROGRESS, started_at=created)
        points = [
            MetricPoint(
                seq=i,
                at=created + timedelta(seconds=i),
                values={
                    "epoch": i + 1,
                    "progress": (i + 1) / 2,
                    "train_loss": 0.5 - i / 10,
                    "val_accuracy": 0.9 + i / 50,
                },
            )
            for i in range(2)
        ]
        self.store.report(name, points, ["a notice"])
        if status is JobStatus.COMPLETED:
            folder = self.home.job(name)
            folder.output_data.mkdir(parents=True)
            write_archive(folder.archive, onnx=template_model(sharpness) if onnx is None else onnx)
            (folder.output_data / "evaluation.json").write_text(json.dumps(claims or trainer.evaluation()))
            pack(folder.output_data, folder.output_archive)
            sha256 = sha256_of(folder.archive)
            self.store.move(name, status, ended_at=created + timedelta(seconds=40), progress=1.0, sha256=sha256)
        elif status is not JobStatus.IN_PROGRESS:
            reason = "The loss became NaN." if status is JobStatus.FAILED else ""
            if status is JobStatus.STOPPED:
                self.store.move(name, JobStatus.STOPPING)
            self.store.move(name, status, ended_at=created + timedelta(seconds=9), failure_reason=reason)
        folder = self.home.job(name)
        folder.root.mkdir(parents=True, exist_ok=True)
        folder.log.write_text(f"log of {name}\n")

    def add_tuning_job(
        self,
        name: str,
        status: JobStatus = JobStatus.COMPLETED,
        values: Sequence[float | None] = (0.95, 0.97, 0.96, 0.98),
        *,
        early: Sequence[int] = (),
        space: Sequence[str] = ("lr=log(1e-3,1e-1)", "batch_size=64,128"),
        created: datetime = NOON,
        archives: bool = True,
        **given: Any,
    ) -> None:
        """A search with a past: its trials by their objective's value, from number 1.

        A trial without a value failed, or still runs when the job does; those in `early` were ended early. Completed
        trials have `archives`, as long as nobody wants hundreds.
        """
        ranges = tuple(parse_space(text) for text in space)
        hyperparameters = resolve("fast", given.pop("overrides", {}))
        shared = {k: v for k, v in hyperparameters.items() if k not in {p.name for p in ranges}}
        request = TuningRequest(
            **{
                "name": name,
                "preset": "fast",
                "hyperparameters": shared,
                "space": ranges,
                "requested_by": "ada",
                "key": f"key-{name}",
                "max_jobs": len(values) or 6,
                **given,
            }
        )
        self.searches.insert(request, created)
        for number, value in enumerate(values, start=1):
            chosen = {p.name: _within(p, number) for p in ranges}
            self._add_trial(
                request, number, value, chosen, early=number in early, archives=archives, live=status, created=created
            )
        if status.is_terminal:
            reason = "The first 3 trials failed." if status is JobStatus.FAILED else ""
            if status is JobStatus.STOPPED:
                self.searches.move(name, JobStatus.STOPPING, stop_mode="now")
            self.searches.move(name, status, ended_at=created + timedelta(minutes=5), failure_reason=reason)
        else:
            self.held.append(FileLock.acquire(self.home.job(name).lock))
        folder = self.home.job(name)
        folder.root.mkdir(parents=True, exist_ok=True)
        folder.log.write_text(f"log of the search {name}\n")

    def _add_trial(
        self,
        request: TuningRequest,
        number: int,
        value: float | None,
        chosen: dict[str, Value],
        *,
        early: bool,
        archives: bool,
        live: JobStatus,
        created: datetime,
    ) -> None:
        job = f"{request.name}-{number:03d}-abcd"
        begun = created + timedelta(seconds=number)
        training = TrainingRequest(
            name=job,
            preset="fast",
            hyperparameters={**request.hyperparameters, **chosen},
            requested_by="ada",
            key=f"key-{job}",
            tuning_job=request.name,
        )
        self.store.insert(training, begun)
        self.store.move(job, JobStatus.IN_PROGRESS, started_at=begun)
        if value is not None:
            points = [
                MetricPoint(seq=epoch, at=begun, values={"epoch": epoch, request.objective: value - 0.01 * (2 - epoch)})
                for epoch in ((1,) if early else (1, 2))
            ]
            self.store.report(job, points, [])
        self.searches.add_trial(
            request.name,
            Trial(number=number, job=job, status=JobStatus.IN_PROGRESS, hyperparameters=chosen, stopped_early=early),
        )
        ended = begun + timedelta(seconds=30)
        if early:
            self.store.move(job, JobStatus.STOPPING)
            self.store.move(job, JobStatus.STOPPED, ended_at=ended)
        elif value is not None:
            sha256 = ""
            if archives:
                folder = self.home.job(job)
                folder.output_data.mkdir(parents=True)
                good_archive(folder.archive, sharpness=float(number))
                (folder.output_data / "evaluation.json").write_text(json.dumps(trainer.evaluation()))
                pack(folder.output_data, folder.output_archive)
                sha256 = sha256_of(folder.archive)
            self.store.move(job, JobStatus.COMPLETED, ended_at=ended, progress=1.0, sha256=sha256)
        elif live.is_terminal:
            self.store.move(job, JobStatus.FAILED, ended_at=ended, failure_reason="The loss became NaN.")
        else:
            self.held.append(FileLock.acquire(self.home.job(job).lock))


def _within(parameter: ParameterRange, number: int) -> Value:
    """Another value of the parameter for another number."""
    if parameter.values:
        return parameter.values[number % len(parameter.values)]
    share = number * 0.618 % 1
    if parameter.log:
        return float(parameter.low * (parameter.high / parameter.low) ** share)
    value = parameter.low + share * (parameter.high - parameter.low)
    return int(value) if parameter.integer else value


def make_world(
    root: Path,
    serving: ServingPlatform,
    load: LoadGenerator | None = None,
    gates: Mapping[Stage, Sequence[Gate]] = APPROVAL_ONLY,
) -> World:
    home = Home(root)
    database = Database(home.database)
    store = JobStore(database, home)
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    trained_by = "tests.fakes.trainer"
    training = LocalTraining(store, home, slots=1, environment=environment, trainer=trained_by)
    searches = TuningStore(database)
    runs, uploads = FakeRuns(), FakeUploads()
    candidates = LocalCandidates(environment=environment)
    backend = assemble(
        Settings(DIGITS_HOME=root),
        identity=Somebody(name="ada", role=Role.APPROVER),
        home=home,
        database=database,
        training=training,
        tuning=LocalTuning(searches, store, training, home, slots=1, environment=environment, trainer=trained_by),
        serving=serving,
        load=load or FakeLoad(),
        candidates=candidates,
        evaluator=InProcessEvaluator(),
        environment=environment,
        readers=[runs],
        uploads=uploads,
        probes=[],
        declared=lambda: gates,
    )
    return World(
        backend=backend,
        store=store,
        searches=searches,
        home=home,
        candidates=candidates,
        runs=runs,
        uploads=uploads,
    )


def now() -> datetime:
    return datetime.now(UTC)
