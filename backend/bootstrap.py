"""The composition root: the one place that chooses adapters and hands them to services."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from backend.adapters.local.audit import LocalAuditLog
from backend.adapters.local.candidates import LocalCandidates
from backend.adapters.local.database import Database
from backend.adapters.local.deployments import LocalDeployments
from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.local.evaluations import LocalEvaluations
from backend.adapters.local.evaluator import LocalEvaluator
from backend.adapters.local.example_sets import LocalExampleSets
from backend.adapters.local.gate_file import read_gates
from backend.adapters.local.hard_examples import LocalHardExamples
from backend.adapters.local.home import Home
from backend.adapters.local.identity import MachineUser
from backend.adapters.local.job_store import JobStore
from backend.adapters.local.log_file import write_log
from backend.adapters.local.operation_store import LocalOperationStore
from backend.adapters.local.operations import LocalOperations
from backend.adapters.local.origin import read_origin
from backend.adapters.local.probes import local_probes
from backend.adapters.local.processes import is_held
from backend.adapters.local.registry import LocalRegistry
from backend.adapters.local.training import LocalTraining
from backend.adapters.local.tuning import LocalTuning
from backend.adapters.local.tuning_store import TuningStore
from backend.adapters.triton.load import TritonLoad
from backend.adapters.wandb.cloud import DEFAULT_URL, CloudRuns
from backend.adapters.wandb.cloud_process import CloudProcess
from backend.adapters.wandb.cloud_trouble import Asked
from backend.adapters.wandb.offline import OfflineRuns
from backend.adapters.wandb.probe import wandb_probe
from backend.adapters.wandb.upload import WandbUploads
from backend.domain.identity import Actor
from backend.ports.audit import AuditLog
from backend.ports.candidates import Candidates
from backend.ports.deployments import DeploymentStore
from backend.ports.evaluations import EvaluationStore
from backend.ports.evaluator import ArchiveEvaluator
from backend.ports.example_sets import ExampleSets
from backend.ports.hard_examples import HardExamples
from backend.ports.identity import Identity
from backend.ports.load import LoadGenerator
from backend.ports.operations import Operations
from backend.ports.probes import Probe
from backend.ports.registry import ModelRegistry
from backend.ports.run_sync import RunUploads
from backend.ports.serving import ServingPlatform
from backend.ports.tracking import RunReader
from backend.ports.training import TrainingPlatform
from backend.ports.tuning import TuningPlatform
from backend.services.auditing import Auditor
from backend.services.comparison import Comparing
from backend.services.doctor import Doctor
from backend.services.endpoints import Endpoints
from backend.services.evaluating import Evaluating
from backend.services.evidence import EvidenceService
from backend.services.example_sets import ExampleSetService
from backend.services.gates import Declared, Gates
from backend.services.guarding import Guard
from backend.services.launching import Launching
from backend.services.prediction import PredictionService
from backend.services.probing import ProbedChanges
from backend.services.promotion import Promotion
from backend.services.quickstart import Quickstart
from backend.services.registration import Registration
from backend.services.run_sync import RunSync
from backend.services.runs import Runs
from backend.services.sampling import Sampling
from backend.services.searching import Searching
from backend.settings import ROOT, Settings


@dataclass(frozen=True, kw_only=True)
class Backend:
    """What pages and commands work with: ports to read from, services to act through."""

    settings: Settings
    identity: Identity
    training: TrainingPlatform
    tuning: TuningPlatform
    registry: ModelRegistry
    serving: ServingPlatform
    deployments: DeploymentStore
    operations: Operations
    audit: AuditLog
    examples: HardExamples
    example_sets: ExampleSets
    runs: Runs
    run_sync: RunSync
    evaluations: EvaluationStore
    gates: Gates
    labelling: ExampleSetService
    launching: Launching
    searching: Searching
    registration: Registration
    evaluating: Evaluating
    comparing: Comparing
    promotion: Promotion
    guard: Guard
    evidence: EvidenceService
    prediction: PredictionService
    sampling: Sampling
    endpoints: Endpoints
    quickstart: Quickstart
    doctor: Doctor

    @property
    def actor(self) -> Actor:
        """Who acts now."""
        return self.identity.actor()


SERVING_ENVIRONMENT: Final = ROOT / ".venv-serving"


def connect(settings: Settings) -> Backend:
    """The backend of the platform that the settings name. Opens the database; starts nothing."""
    home = Home(settings.home)
    database = Database(home.database)
    write_log(home.log)
    serving = LocalEndpoints(settings.home, SERVING_ENVIRONMENT)
    environment = child_environment(settings)
    jobs = JobStore(database, home)
    slots = settings.max_parallel_jobs
    cloud, uploads, probe = _wandb(settings, home, environment)
    training = LocalTraining(jobs, home, slots=slots, environment=environment)
    return assemble(
        settings,
        identity=MachineUser(settings.role),
        home=home,
        database=database,
        training=training,
        tuning=LocalTuning(TuningStore(database), jobs, training, home, slots=slots, environment=environment),
        serving=serving,
        load=TritonLoad(),
        candidates=LocalCandidates(environment=environment),
        evaluator=LocalEvaluator(environment=environment),
        environment=environment,
        readers=[
            OfflineRuns(
                settings.run_folders, home.root / "cache" / "runs", alive=lambda name: _is_recording(home, name)
            ),
            *cloud,
        ],
        uploads=uploads,
        declared=lambda: read_gates(settings.gates),
        probes=local_probes(
            home=home,
            database=database,
            serving=serving,
            serving_environment=SERVING_ENVIRONMENT,
            data=settings.data,
            wandb=probe,
        ),
    )


def _wandb(
    settings: Settings, home: Home, environment: Mapping[str, str]
) -> tuple[Sequence[RunReader], RunUploads, Probe]:
    """What reads runs from a W&B server and brings them there, and the doctor's question; no reader without a key."""
    key = settings.wandb_api_key.get_secret_value() if settings.wandb_api_key else ""
    asked = Asked(
        base_url=settings.wandb_base_url or DEFAULT_URL, entity=settings.wandb_entity, project=settings.wandb_project
    )
    process = None
    if key:
        process = CloudProcess(
            environment, key=key, base_url=asked.base_url, entity=asked.entity, log=home.wandb_cloud / "worker.log"
        )
    readers = [CloudRuns(process, asked, folder=home.wandb_cloud, clock=_now)] if process else []
    uploads = WandbUploads(process, asked, environ=environment, key=key, lock=home.wandb_cloud / "sync.lock")
    return readers, uploads, wandb_probe(process, asked, recorded_in=home.wandb)


def assemble(
    settings: Settings,
    *,
    identity: Identity,
    home: Home,
    database: Database,
    training: TrainingPlatform,
    tuning: TuningPlatform,
    serving: ServingPlatform,
    load: LoadGenerator,
    candidates: Candidates,
    evaluator: ArchiveEvaluator,
    environment: Mapping[str, str],
    readers: Sequence[RunReader],
    uploads: RunUploads,
    probes: Sequence[Probe],
    declared: Declared,
) -> Backend:
    """The services over these adapters; the ones that tests never replace are made here from the database."""
    registry = LocalRegistry(database, home)
    deployments = LocalDeployments(database)
    audit = LocalAuditLog(database)
    examples = LocalHardExamples(database)
    operations = LocalOperations(home, environment=environment)
    operation_store = LocalOperationStore(database)
    auditor = Auditor(audit, _now)
    runs = Runs(readers)
    example_sets = LocalExampleSets(database, home)
    labelling = ExampleSetService(examples, example_sets, auditor, _now)
    launching = Launching(training, labelling, auditor, _now)
    registration = Registration(training, registry, evaluator, auditor)
    evaluations = LocalEvaluations(home)
    gates = Gates(declared, registry, serving, deployments, evaluations, labelling, _now)
    evaluating = Evaluating(
        registry=registry,
        training=training,
        serving=serving,
        sets=labelling,
        asked_by_gates=gates.example_sets,
        evaluator=evaluator,
        evaluations=evaluations,
        operations=operations,
        auditor=auditor,
        clock=_now,
    )
    promotion = Promotion(
        registry,
        serving,
        deployments,
        gates,
        auditor,
        _now,
        ProbedChanges(serving, load),
        lambda: read_origin(environment, ROOT),
    )
    return Backend(
        settings=settings,
        identity=identity,
        training=training,
        tuning=tuning,
        registry=registry,
        serving=serving,
        deployments=deployments,
        operations=operations,
        audit=audit,
        examples=examples,
        example_sets=example_sets,
        runs=runs,
        run_sync=RunSync(
            runs=runs, uploads=uploads, processes=operations, store=operation_store, auditor=auditor, clock=_now
        ),
        evaluations=evaluations,
        gates=gates,
        labelling=labelling,
        launching=launching,
        searching=Searching(tuning, labelling, auditor, _now),
        registration=registration,
        evaluating=evaluating,
        comparing=Comparing(registry, evaluations),
        promotion=promotion,
        guard=Guard(serving, registry, promotion, audit, auditor),
        evidence=EvidenceService(promotion, deployments, registry, serving, audit, evaluations, _now),
        prediction=PredictionService(serving, registry, candidates, examples, auditor, _now),
        sampling=Sampling(registry, serving, evaluations),
        endpoints=Endpoints(serving, load, auditor),
        quickstart=Quickstart(
            training=training,
            launching=launching,
            registration=registration,
            evaluating=evaluating,
            promotion=promotion,
            processes=operations,
            store=operation_store,
            clock=_now,
        ),
        doctor=Doctor(probes),
    )


def child_environment(settings: Settings) -> dict[str, str]:
    """The environment of detached processes: this one's, with what `.env` adds. The only way a secret travels."""
    environment = {**os.environ, "DIGITS_HOME": str(settings.home), "WANDB_PROJECT": settings.wandb_project}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    if settings.data is not None:
        environment["DIGITS_DATA"] = str(settings.data)
    if settings.wandb_entity:
        environment["WANDB_ENTITY"] = settings.wandb_entity
    if settings.wandb_base_url:
        environment["WANDB_BASE_URL"] = settings.wandb_base_url
    if settings.wandb_api_key is not None:
        environment["WANDB_API_KEY"] = settings.wandb_api_key.get_secret_value()
    return environment


def _is_recording(home: Home, run: str) -> bool | None:
    """Whether the job that a run has its name of lives; None for runs of other people's programs."""
    if Path(run).name != run:
        return None  # a stranger's run may be called anything
    lock = home.job(run).lock
    return is_held(lock) if lock.exists() else None


def _now() -> datetime:
    return datetime.now(UTC)
