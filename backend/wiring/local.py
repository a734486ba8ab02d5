"""Everything on this machine."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from backend.adapters.local.audit import LocalAuditLog
from backend.adapters.local.database import Database
from backend.adapters.local.deployments import LocalDeployments
from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.endpoint_logs import LocalServerLogs
from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.local.evaluations import LocalEvaluations
from backend.adapters.local.example_sets import LocalExampleSets
from backend.adapters.local.external_server import ExternalTriton
from backend.adapters.local.fleets import LocalFleets
from backend.adapters.local.hard_examples import LocalHardExamples
from backend.adapters.local.home import Home
from backend.adapters.local.job_store import JobStore
from backend.adapters.local.lifetimes import LocalLifetimes
from backend.adapters.local.operation_store import LocalOperationStore
from backend.adapters.local.probes import local_probes
from backend.adapters.local.registry import LocalRegistry
from backend.adapters.local.sites import LocalArchives, LocalSites
from backend.adapters.local.tallies import LocalTallies
from backend.adapters.local.traffic import LocalTraffic
from backend.adapters.local.training import LocalTraining
from backend.adapters.local.tuning import LocalTuning
from backend.adapters.local.tuning_store import TuningStore
from backend.adapters.triton.load import TritonLoad
from backend.domain.serving import Stage
from backend.ports.probes import Probe
from backend.settings import Settings
from backend.wiring.platform import Platform, Stores, Upkeep


def local_platform(
    settings: Settings,
    *,
    home: Home,
    database: Database,
    environment: Mapping[str, str],
    serving_environment: Path,
    wandb: Probe,
) -> Platform:
    """Jobs and endpoints are processes of this machine; `environment` is theirs."""
    external = _external_tritons(settings)
    serving = LocalEndpoints(settings.home, serving_environment, external=external)
    jobs = JobStore(database, home)
    slots = settings.max_parallel_jobs
    training = LocalTraining(jobs, home, slots=slots, environment=environment)
    stores = local_stores(home, database)
    return Platform(
        training=training,
        tuning=LocalTuning(TuningStore(database), jobs, training, home, slots=slots, environment=environment),
        serving=serving,
        fleets=LocalFleets(),
        stores=stores,
        upkeep=local_upkeep(home, database, external),
        sites=LocalSites(serving, stores.deployments),
        archives=LocalArchives(),
        load=TritonLoad(),
        probes=local_probes(
            home=home,
            database=database,
            serving=serving,
            serving_environment=serving_environment,
            external=external,
            data=settings.data,
            wandb=wandb,
        ),
    )


def local_stores(home: Home, database: Database) -> Stores:
    """Rows of the database, and files of the home."""
    return Stores(
        registry=LocalRegistry(database, home),
        deployments=LocalDeployments(database),
        audit=LocalAuditLog(database),
        examples=LocalHardExamples(database),
        example_sets=LocalExampleSets(database, home),
        operations=LocalOperationStore(database),
        evaluations=LocalEvaluations(home),
    )


def local_upkeep(home: Home, database: Database, external: Collection[Stage] = ()) -> Upkeep:
    """Kept by the stages' runners and by our clients. `external` are the stages on servers of somebody else's."""
    return Upkeep(
        traffic=LocalTraffic(database),
        tallies=LocalTallies(database),
        logs=LocalServerLogs(home.root, external),
        lifetimes=LocalLifetimes(home.root),
    )


def _external_tritons(settings: Settings) -> Mapping[Stage, ExternalTriton]:
    """The stages that a Triton serves which runs already, as the settings say."""
    own = settings.triton_repository
    return {
        stage: ExternalTriton(
            url=settings.triton_url(stage),
            repository=own / stage.value if own else EndpointFolder(settings.home, stage).repository.root,
        )
        for stage in Stage
        if settings.triton_url(stage)
    }
