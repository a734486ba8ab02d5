"""The composition root: the one place that chooses adapters and hands them to services."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from backend.adapters.local.audit import LocalAuditLog
from backend.adapters.local.candidates import LocalCandidates
from backend.adapters.local.database import Database
from backend.adapters.local.deployments import LocalDeployments
from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.local.fleets import LocalFleets
from backend.adapters.local.hard_examples import LocalHardExamples
from backend.adapters.local.home import Home
from backend.adapters.local.job_store import JobStore
from backend.adapters.local.operation_store import LocalOperationStore
from backend.adapters.local.operations import LocalOperations
from backend.adapters.local.probes import local_probes
from backend.adapters.local.processes import is_held
from backend.adapters.local.registry import LocalRegistry
from backend.adapters.local.training import LocalTraining
from backend.adapters.local.tuning import LocalTuning
from backend.adapters.local.tuning_store import TuningStore
from backend.adapters.triton.load import TritonLoad
from backend.adapters.wandb.offline import OfflineRuns
from backend.domain.identity import Actor
from backend.ports.audit import AuditLog
from backend.ports.candidates import Candidates
from backend.ports.deployments import DeploymentStore
from backend.ports.fleets import Fleets
from backend.ports.hard_examples import HardExamples
from backend.ports.load import LoadGenerator
from backend.ports.operations import Operations, OperationStore
from backend.ports.probes import Probe
from backend.ports.registry import ModelRegistry
from backend.ports.serving import ServingPlatform
from backend.ports.tracking import RunReader
from backend.ports.training import TrainingPlatform
from backend.ports.tuning import TuningPlatform
from backend.services.auditing import Auditor
from backend.services.doctor import Doctor
from backend.services.endpoints import Endpoints
from backend.services.fleets import FleetService
from backend.services.launching import Launching
from backend.services.prediction import PredictionService
from backend.services.promotion import Promotion
from backend.services.quickstart import Quickstart
from backend.services.registration import Registration
from backend.services.runs import Runs
from backend.services.searching import Searching
from backend.settings import ROOT, Settings


@dataclass(frozen=True, kw_only=True)
class Backend:
    """What pages and commands work with: ports to read from, services to act through."""

    settings: Settings
    actor: Actor
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
    runs: Runs
    launching: Launching
    searching: Searching
    registration: Registration
    promotion: Promotion
    prediction: PredictionService
    endpoints: Endpoints
    quickstart: Quickstart
    doctor: Doctor


@dataclass(frozen=True, kw_only=True)
class Stores:
    """What is kept: of this machine in its database, on AWS in its bucket and registry."""

    registry: ModelRegistry
    deployments: DeploymentStore
    audit: AuditLog
    examples: HardExamples
    operations: OperationStore


SERVING_ENVIRONMENT: Final = ROOT / ".venv-serving"


def connect(settings: Settings, *, watched: bool = False) -> Backend:
    """The backend of the platform that the settings name. Opens the database; starts nothing.

    `watched` is for a dashboard: what is far away is then asked in the background, and reads never wait for it.
    """
    home = Home(settings.home)
    database = Database(home.database)
    here = LocalEndpoints(settings.home, SERVING_ENVIRONMENT)
    serving: ServingPlatform = here
    environment = child_environment(settings)
    jobs = JobStore(database, home)
    slots = settings.max_parallel_jobs
    local = LocalTraining(jobs, home, slots=slots, environment=environment)
    training: TrainingPlatform = local
    tuning: TuningPlatform = LocalTuning(TuningStore(database), jobs, local, home, slots=slots, environment=environment)
    probes = local_probes(
        home=home,
        database=database,
        serving=here,
        serving_environment=SERVING_ENVIRONMENT,
        data=settings.data,
        wandb_online=settings.wandb_api_key is not None,
        wandb_base_url=settings.wandb_base_url,
    )
    stores: Stores | None = None
    fleets: Fleets = LocalFleets()
    if settings.platform == "sagemaker":
        training, tuning = _jobs_on_sagemaker(settings, environment, watched=watched)
        serving, fleets, stores, probes = _serving_on_sagemaker(settings, environment, home, watched=watched)
    return assemble(
        settings,
        actor=Actor(name=getpass.getuser(), role=settings.role),
        home=home,
        database=database,
        training=training,
        tuning=tuning,
        serving=serving,
        load=TritonLoad(),
        candidates=LocalCandidates(environment=environment),
        environment=environment,
        readers=[
            OfflineRuns(
                settings.run_folders, home.root / "cache" / "runs", alive=lambda name: _is_recording(home, name)
            )
        ],
        probes=probes,
        stores=stores,
        fleets=fleets,
    )


def assemble(
    settings: Settings,
    *,
    actor: Actor,
    home: Home,
    database: Database,
    training: TrainingPlatform,
    tuning: TuningPlatform,
    serving: ServingPlatform,
    load: LoadGenerator,
    candidates: Candidates,
    environment: Mapping[str, str],
    readers: Sequence[RunReader],
    probes: Sequence[Probe],
    stores: Stores | None = None,
    fleets: Fleets | None = None,
) -> Backend:
    """The services over these adapters; without `stores` and `fleets`, over those of this machine."""
    stores = stores or _local_stores(home, database)
    fleets = fleets or LocalFleets()
    registry, deployments, audit, examples = stores.registry, stores.deployments, stores.audit, stores.examples
    operations = LocalOperations(home, environment=environment)
    auditor = Auditor(audit, _now)
    launching = Launching(training, examples, auditor, _now)
    registration = Registration(training, registry, auditor)
    promotion = Promotion(registry, serving, deployments, auditor, _now)
    return Backend(
        settings=settings,
        actor=actor,
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
        runs=Runs(readers),
        launching=launching,
        searching=Searching(tuning, examples, auditor, _now),
        registration=registration,
        promotion=promotion,
        prediction=PredictionService(serving, registry, candidates, examples, auditor, _now),
        endpoints=Endpoints(serving, load, auditor),
        quickstart=Quickstart(
            training=training,
            launching=launching,
            registration=registration,
            promotion=promotion,
            processes=operations,
            store=stores.operations,
            clock=_now,
        ),
        doctor=Doctor(probes),
    )


def _local_stores(home: Home, database: Database) -> Stores:
    return Stores(
        registry=LocalRegistry(database, home),
        deployments=LocalDeployments(database),
        audit=LocalAuditLog(database),
        examples=LocalHardExamples(database),
        operations=LocalOperationStore(database),
    )


def _serving_on_sagemaker(
    settings: Settings, environment: Mapping[str, str], home: Home, *, watched: bool
) -> tuple[ServingPlatform, Fleets, Stores, Sequence[Probe]]:
    """Registry, endpoints and every store on AWS: what one dashboard does, every other one sees."""
    from backend.adapters.sagemaker.serving import serving_on_aws
    from backend.adapters.sagemaker.session import Account, Aws
    from backend.adapters.sagemaker.watched import (
        WatchedAudit,
        WatchedDeployments,
        WatchedExamples,
        WatchedFleets,
        WatchedRegistry,
        WatchedServing,
    )

    made = serving_on_aws(
        Aws(Account.from_environ(environment)),
        cache=home.root / "archives",
        image=settings.triton_image,
        instance_type=settings.endpoint_instance,
        instances=settings.endpoint_instances,
        shift=settings.endpoint_shift,
        subnets=_listed(settings.subnets),
        security_groups=_listed(settings.security_groups),
        kms_key=settings.kms_key,
    )
    stores = Stores(
        registry=WatchedRegistry(made.registry) if watched else made.registry,
        deployments=WatchedDeployments(made.deployments) if watched else made.deployments,
        audit=WatchedAudit(made.audit) if watched else made.audit,
        examples=WatchedExamples(made.examples) if watched else made.examples,
        operations=made.operations,
    )
    serving = WatchedServing(made.serving) if watched else made.serving
    return serving, WatchedFleets(made.fleets) if watched else made.fleets, stores, made.probes


def _jobs_on_sagemaker(
    settings: Settings, environment: Mapping[str, str], *, watched: bool
) -> tuple[TrainingPlatform, TuningPlatform]:
    """Training and tuning on AWS. Its libraries are loaded here, for those who use it."""
    from backend.adapters.sagemaker.background import WatchedTraining, WatchedTuning
    from backend.adapters.sagemaker.job_requests import Site
    from backend.adapters.sagemaker.prices import Prices
    from backend.adapters.sagemaker.session import Account, Aws
    from backend.adapters.sagemaker.spawn import start_launcher
    from backend.adapters.sagemaker.training import SageMakerTraining
    from backend.adapters.sagemaker.tuning import SageMakerTuning

    aws = Aws(Account.from_environ(environment))
    site = Site(
        image=settings.training_image,
        instance_type=settings.training_instance,
        volume_gb=settings.volume_gb,
        subnets=_listed(settings.subnets),
        security_groups=_listed(settings.security_groups),
        kms_key=settings.kms_key,
        tags=dict(one.split("=", 1) for one in _listed(settings.aws_tags)),
        wandb_project=settings.wandb_project,
    )
    start = start_launcher(settings.home, environment)
    training = SageMakerTraining(
        aws, folder=settings.home, site=site, start=start, prices=Prices(aws, settings.prices), data=settings.data
    )
    tuning = SageMakerTuning(aws, training.records, site=site, start=start, data=str(settings.data or ""))
    return (WatchedTraining(training), WatchedTuning(tuning)) if watched else (training, tuning)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())


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
