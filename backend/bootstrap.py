"""The composition root: the one place that chooses adapters and hands them to services."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from backend.adapters.local.audit import LocalAuditLog
from backend.adapters.local.candidates import LocalCandidates
from backend.adapters.local.database import Database
from backend.adapters.local.deployments import LocalDeployments
from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.local.evaluations import LocalEvaluations
from backend.adapters.local.evaluator import LocalEvaluator
from backend.adapters.local.gate_file import read_gates
from backend.adapters.local.hard_examples import LocalHardExamples
from backend.adapters.local.home import Home
from backend.adapters.local.identity import MachineUser
from backend.adapters.local.job_store import JobStore
from backend.adapters.local.operation_store import LocalOperationStore
from backend.adapters.local.operations import LocalOperations
from backend.adapters.local.probes import local_probes
from backend.adapters.local.registry import LocalRegistry
from backend.adapters.local.training import LocalTraining
from backend.adapters.local.tuning import LocalTuning
from backend.adapters.local.tuning_store import TuningStore
from backend.adapters.triton.load import TritonLoad
from backend.domain.identity import Actor
from backend.ports.audit import AuditLog
from backend.ports.candidates import Candidates
from backend.ports.deployments import DeploymentStore
from backend.ports.evaluations import EvaluationStore
from backend.ports.evaluator import ArchiveEvaluator
from backend.ports.hard_examples import HardExamples
from backend.ports.identity import Identity
from backend.ports.load import LoadGenerator
from backend.ports.operations import Operations
from backend.ports.probes import Probe
from backend.ports.registry import ModelRegistry
from backend.ports.serving import ServingPlatform
from backend.ports.training import TrainingPlatform
from backend.ports.tuning import TuningPlatform
from backend.services.auditing import Auditor
from backend.services.comparison import Comparing
from backend.services.doctor import Doctor
from backend.services.endpoints import Endpoints
from backend.services.evaluating import Evaluating
from backend.services.gates import Declared, Gates
from backend.services.launching import Launching
from backend.services.prediction import PredictionService
from backend.services.promotion import Promotion
from backend.services.quickstart import Quickstart
from backend.services.registration import Registration
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
    evaluations: EvaluationStore
    gates: Gates
    launching: Launching
    searching: Searching
    registration: Registration
    evaluating: Evaluating
    comparing: Comparing
    promotion: Promotion
    prediction: PredictionService
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
    serving = LocalEndpoints(settings.home, SERVING_ENVIRONMENT)
    environment = child_environment(settings)
    jobs = JobStore(database, home)
    slots = settings.max_parallel_jobs
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
        declared=lambda: read_gates(settings.gates),
        probes=local_probes(
            home=home,
            database=database,
            serving=serving,
            serving_environment=SERVING_ENVIRONMENT,
            data=settings.data,
            wandb_online=settings.wandb_api_key is not None,
            wandb_base_url=settings.wandb_base_url,
        ),
    )


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
    probes: Sequence[Probe],
    declared: Declared,
) -> Backend:
    """The services over these adapters; the ones that tests never replace are made here from the database."""
    registry = LocalRegistry(database, home)
    deployments = LocalDeployments(database)
    audit = LocalAuditLog(database)
    examples = LocalHardExamples(database)
    operations = LocalOperations(home, environment=environment)
    auditor = Auditor(audit, _now)
    launching = Launching(training, examples, auditor, _now)
    registration = Registration(training, registry, evaluator, auditor)
    evaluations = LocalEvaluations(home)
    gates = Gates(declared, registry, serving, deployments, evaluations, examples, _now)
    evaluating = Evaluating(
        registry=registry,
        training=training,
        serving=serving,
        examples=examples,
        evaluator=evaluator,
        evaluations=evaluations,
        operations=operations,
        auditor=auditor,
        clock=_now,
    )
    promotion = Promotion(registry, serving, deployments, gates, auditor, _now)
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
        evaluations=evaluations,
        gates=gates,
        launching=launching,
        searching=Searching(tuning, examples, auditor, _now),
        registration=registration,
        evaluating=evaluating,
        comparing=Comparing(registry, evaluations),
        promotion=promotion,
        prediction=PredictionService(serving, registry, candidates, examples, auditor, _now),
        endpoints=Endpoints(serving, load, auditor),
        quickstart=Quickstart(
            training=training,
            launching=launching,
            registration=registration,
            evaluating=evaluating,
            promotion=promotion,
            processes=operations,
            store=LocalOperationStore(database),
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


def _now() -> datetime:
    return datetime.now(UTC)
