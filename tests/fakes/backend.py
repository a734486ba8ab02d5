"""A whole backend on a temporary home: real database and services, the stand-in trainer, and a serving of choice."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backend.adapters.local.database import Database
from backend.adapters.local.home import Home
from backend.adapters.local.job_store import JobStore
from backend.adapters.local.packing import pack, sha256_of
from backend.adapters.local.training import LocalTraining
from backend.adapters.local.tuning import LocalTuning
from backend.adapters.local.tuning_store import TuningStore
from backend.adapters.triton.load import TritonLoad
from backend.bootstrap import Backend, assemble
from backend.domain.identity import Actor, Role
from backend.domain.jobs import JobStatus, MetricPoint, TrainingRequest
from backend.domain.training import resolve
from backend.ports.load import LoadGenerator
from backend.ports.serving import ServingPlatform
from backend.settings import Settings
from tests.contract.archives import good_archive
from tests.fakes import trainer

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class World:
    """The backend, and its database for tests that need a past."""

    backend: Backend
    store: JobStore
    searches: TuningStore
    home: Home

    def acting_as(self, role: Role) -> World:
        return replace(self, backend=replace(self.backend, actor=Actor(name="ada", role=role)))

    def add_job(
        self,
        name: str,
        status: JobStatus = JobStatus.COMPLETED,
        *,
        created: datetime = NOON,
        sharpness: float = 1.0,
    ) -> None:
        """A job with a past: `status` it is in now; a completed one has its archives, the model's by `sharpness`."""
        hyperparameters = resolve("fast", {})
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
            good_archive(folder.archive, sharpness=sharpness)
            (folder.output_data / "evaluation.json").write_text(json.dumps(trainer.evaluation()))
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


def make_world(root: Path, serving: ServingPlatform, load: LoadGenerator | None = None) -> World:
    home = Home(root)
    database = Database(home.database)
    store = JobStore(database, home)
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    trained_by = "tests.fakes.trainer"
    training = LocalTraining(store, home, slots=1, environment=environment, trainer=trained_by)
    searches = TuningStore(database)
    backend = assemble(
        Settings(DIGITS_HOME=root),
        actor=Actor(name="ada", role=Role.APPROVER),
        home=home,
        database=database,
        training=training,
        tuning=LocalTuning(searches, store, training, home, slots=1, environment=environment, trainer=trained_by),
        serving=serving,
        load=load or TritonLoad(),
        environment=environment,
        probes=[],
    )
    return World(backend=backend, store=store, searches=searches, home=home)


def now() -> datetime:
    return datetime.now(UTC)
