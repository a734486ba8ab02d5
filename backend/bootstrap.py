"""The composition root: the one place that chooses adapters and hands them to services."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from backend.adapters.local.candidates import LocalCandidates
from backend.adapters.local.database import Database
from backend.adapters.local.evaluator import LocalEvaluator
from backend.adapters.local.fleets import LocalFleets
from backend.adapters.local.gate_file import read_gates
from backend.adapters.local.home import Home
from backend.adapters.local.identity import MachineUser
from backend.adapters.local.log_file import write_log
from backend.adapters.local.operations import LocalOperations
from backend.adapters.local.origin import read_origin
from backend.adapters.local.processes import is_held
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
from backend.ports.fleets import Fleets
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
from backend.ports.upkeep import Lifetimes, ServerLogs, Tallies, Traffic
from backend.services.auditing import Auditor
from backend.services.comparison import Comparing
from backend.services.doctor import Doctor
from backend.services.endpoints import Endpoints
from backend.services.evaluating import Evaluating
from backend.services.evidence import EvidenceService
from backend.services.example_sets import ExampleSetService
from backend.services.fleets import FleetService
from backend.services.gates import Declared, Gates
from backend.services.guarding import Guard
from backend.services.launching import Launching
from backend.services.lifetimes import LifetimeService
from backend.services.prediction import PredictionService
from backend.services.probing import ProbedChanges
from backend.services.promotion import Promotion
from backend.services.quickstart import Quickstart
from backend.services.registration import Registration
from backend.services.run_sync import RunSync
from backend.services.runs import Runs
from backend.services.sampling import Sampling
from backend.services.searching import Searching
from backend.services.watching import Watching
from backend.settings import ROOT, Settings
from backend.wiring.local import local_platform, local_stores, local_upkeep
from backend.wiring.platform import Stores, Upkeep


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
    scales: Fleets
    fleets: FleetService
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
    traffic: Traffic
    tallies: Tallies
    server_logs: ServerLogs
    lifetimes: Lifetimes
    expiry: LifetimeService
    watching: Watching
    quickstart: Quickstart
    doctor: Doctor

    @property
    def actor(self) -> Actor:
        """Who acts now."""
        return self.identity.actor()


SERVING_ENVIRONMENT: Final = ROOT / ".venv-serving"


def connect(settings: Settings, *, watched: bool = False) -> Backend:
    """The backend of the platform that the settings name. Opens the database; starts nothing.

    `watched` is for a dashboard: what is far away is then asked in the background, and reads never wait for it.
    """
    home = Home(settings.home)
    database = Database(home.database)
    write_log(home.log)
    environment = child_environment(settings)
    cloud, uploads, probe = _wandb(settings, home, environment)
    if settings.platform == "sagemaker":
        from backend.wiring.sagemaker import sagemaker_platform  # boto3 is loaded for those who use it

        platform = sagemaker_platform(settings, home=home, environment=environment, wandb=probe, watched=watched)
    else:
        platform = local_platform(
            settings,
            home=home,
            database=database,
            environment=environment,
            serving_environment=SERVING_ENVIRONMENT,
            wandb=probe,
        )
    return assemble(
        settings,
        identity=MachineUser(settings.role),
        home=home,
        database=database,
        training=platform.training,
        tuning=platform.tuning,
        serving=platform.serving,
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
        probes=platform.probes,
        stores=platform.stores,
        fleets=platform.fleets,
        upkeep=platform.upkeep,
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
    stores: Stores | None = None,
    fleets: Fleets | None = None,
    upkeep: Upkeep | None = None,
) -> Backend:
    """The services over these adapters; without `stores`, `fleets` and `upkeep`, over those of this machine."""
    stores = stores or local_stores(home, database)
    fleets = fleets or LocalFleets()
    upkeep = upkeep or local_upkeep(home, database)
    registry, deployments, audit, examples = stores.registry, stores.deployments, stores.audit, stores.examples
    operations = LocalOperations(home, environment=environment)
    auditor = Auditor(audit, _now)
    runs = Runs(readers)
    labelling = ExampleSetService(examples, stores.example_sets, auditor, _now)
    launching = Launching(training, labelling, auditor, _now)
    registration = Registration(training, registry, evaluator, auditor)
    evaluations = stores.evaluations
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
        scales=fleets,
        fleets=FleetService(fleets, serving, auditor),
        example_sets=stores.example_sets,
        runs=runs,
        run_sync=RunSync(
            runs=runs, uploads=uploads, processes=operations, store=stores.operations, auditor=auditor, clock=_now
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
        prediction=PredictionService(serving, registry, candidates, examples, upkeep.tallies, auditor, _now),
        sampling=Sampling(registry, serving, evaluations),
        endpoints=Endpoints(serving, load, upkeep.tallies, auditor, _now),
        traffic=upkeep.traffic,
        tallies=upkeep.tallies,
        server_logs=upkeep.logs,
        lifetimes=upkeep.lifetimes,
        expiry=LifetimeService(upkeep.lifetimes, serving, auditor, _now),
        watching=Watching(upkeep.traffic, upkeep.tallies, serving, registry),
        quickstart=Quickstart(
            training=training,
            launching=launching,
            registration=registration,
            evaluating=evaluating,
            promotion=promotion,
            processes=operations,
            store=stores.operations,
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
    environment["DIGITS_PLATFORM"] = settings.platform
    aws = {
        "AWS_DEFAULT_REGION": settings.aws_region,
        "AWS_PROFILE": settings.aws_profile,
        "AWS_ENDPOINT_URL": settings.aws_endpoint_url,
        "AWS_ACCESS_KEY_ID": _secret(settings.aws_access_key_id),
        "AWS_SECRET_ACCESS_KEY": _secret(settings.aws_secret_access_key),
        "AWS_SESSION_TOKEN": _secret(settings.aws_session_token),
        "SM_ARN_ROLE": settings.role_arn,
        "DIGITS_S3_BUCKET": settings.bucket,
    }
    environment |= {name: value for name, value in aws.items() if value}
    if settings.wandb_api_key is not None:
        environment["WANDB_API_KEY"] = settings.wandb_api_key.get_secret_value()
    return environment


def _secret(value: SecretStr | None) -> str:
    return "" if value is None else value.get_secret_value()


def _is_recording(home: Home, run: str) -> bool | None:
    """Whether the job that a run has its name of lives; None for runs of other people's programs."""
    if Path(run).name != run:
        return None  # a stranger's run may be called anything
    lock = home.job(run).lock
    return is_held(lock) if lock.exists() else None


def _now() -> datetime:
    return datetime.now(UTC)
