"""The composition root: the one place that chooses adapters and hands them to services."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from backend.adapters.github.pull_requests import NoPullRequests
from backend.adapters.local.candidates import LocalCandidates
from backend.adapters.local.database import Database
from backend.adapters.local.evaluator import LocalEvaluator
from backend.adapters.local.fleets import LocalFleets
from backend.adapters.local.gate_file import read_gates
from backend.adapters.local.home import Home
from backend.adapters.local.identity import MachineUser
from backend.adapters.local.log_file import write_log
from backend.adapters.local.model_file import LocalModelFile
from backend.adapters.local.operations import LocalOperations
from backend.adapters.local.origin import read_origin
from backend.adapters.local.processes import is_held
from backend.adapters.local.sites import LocalArchives, LocalSites
from backend.adapters.sagemaker.account import Account
from backend.adapters.wandb.offline import OfflineRuns
from backend.domain.gates import StagingLook
from backend.domain.identity import Actor
from backend.domain.origin import Origin
from backend.domain.serving import ServedModel
from backend.errors import DigitsError, InvalidInputError
from backend.ports.archives import ArchiveSource
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
from backend.ports.pull_requests import PullRequests
from backend.ports.registry import ModelRegistry
from backend.ports.run_sync import RunUploads
from backend.ports.serving import ServingPlatform
from backend.ports.sites import Site, Sites
from backend.ports.tracking import RunReader
from backend.ports.training import TrainingPlatform
from backend.ports.tuning import TuningPlatform
from backend.ports.upkeep import Lifetimes, ServerLogs, Tallies, Traffic
from backend.services import kept_looks
from backend.services.auditing import Auditor
from backend.services.commenting import Commenting
from backend.services.comparison import Comparing
from backend.services.declaring import Declaring
from backend.services.delivery import Delivery, Place
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
from backend.services.teardown import Teardown
from backend.services.watching import Watching
from backend.settings import ROOT, Settings
from backend.wiring.environment import child_environment, operation_environment
from backend.wiring.github import pull_requests as configured_pull_requests
from backend.wiring.local import local_platform, local_stores, local_upkeep
from backend.wiring.platform import Stores, Upkeep
from backend.wiring.wandb import wandb_server


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
    delivery: Delivery
    teardown: Teardown
    declaring: Declaring
    commenting: Commenting
    origin: Callable[[], Origin]
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
    refusal: Callable[[], DigitsError | None]
    """Why nothing can be asked of the platform from this machine, told at once; None when it can."""

    @property
    def actor(self) -> Actor:
        """Who acts now."""
        return self.identity.actor()


SERVING_ENVIRONMENT: Final = ROOT / ".venv-serving"


def lacking(settings: Settings) -> DigitsError | None:
    """Which setting the platform that they name cannot do without; None when all are there. Asks and loads nothing."""
    if settings.platform == "sagemaker":
        try:
            Account.from_environ(child_environment(settings))
        except InvalidInputError as error:
            return error
    return None


def connect(settings: Settings, *, watched: bool = False) -> Backend:
    """The backend of the platform that the settings name. Opens the database; starts nothing.

    `watched` is for a dashboard: what is far away is then asked in the background, and reads never wait for it.
    """
    home = Home(settings.home)
    database = Database(home.database)
    write_log(home.log)
    environment = child_environment(settings)
    cloud, uploads, probe = wandb_server(settings, home, environment, _now)
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
        identity=MachineUser(settings.role, environment),
        home=home,
        database=database,
        training=platform.training,
        tuning=platform.tuning,
        serving=platform.serving,
        load=platform.load,
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
        sites=platform.sites,
        archives=platform.archives,
        pull_requests=configured_pull_requests(settings),
        refusal=platform.refusal,
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
    readers: Sequence[RunReader],
    uploads: RunUploads,
    probes: Sequence[Probe],
    declared: Declared,
    stores: Stores | None = None,
    fleets: Fleets | None = None,
    upkeep: Upkeep | None = None,
    sites: Sites | None = None,
    archives: ArchiveSource | None = None,
    pull_requests: PullRequests | None = None,
    refusal: Callable[[], DigitsError | None] = lambda: None,
) -> Backend:
    """The services over these adapters; those that may be left out are then this machine's, and no pull requests."""
    stores = stores or local_stores(home, database)
    fleets = fleets or LocalFleets()
    upkeep = upkeep or local_upkeep(home, database)
    registry, deployments, audit, examples = stores.registry, stores.deployments, stores.audit, stores.examples
    sites = sites or LocalSites(serving, deployments)
    operations = LocalOperations(home, environment={**environment, **operation_environment(settings)})
    auditor = Auditor(audit, _now)
    runs = Runs(readers)
    labelling = ExampleSetService(examples, stores.example_sets, auditor, _now)
    launching = Launching(training, labelling, auditor, _now)
    registration = Registration(training, registry, evaluator, auditor)
    evaluations = stores.evaluations

    def recall(target: ServedModel) -> StagingLook | None:
        return kept_looks.recall(audit, deployments, target)

    def gates_over(serving: ServingPlatform, deployments: DeploymentStore) -> Gates:
        return Gates(declared, registry, serving, deployments, evaluations, labelling, _now, recall)

    def promotion_over(serving: ServingPlatform, deployments: DeploymentStore, gates: Gates) -> Promotion:
        changes = ProbedChanges(serving, load)
        return Promotion(registry, serving, deployments, gates, auditor, _now, changes, origin)

    def open_place(site: Site) -> Place:
        gates = gates_over(site.serving, site.deployments)
        return Place(site=site, gates=gates, promotion=promotion_over(site.serving, site.deployments, gates))

    def origin() -> Origin:
        return read_origin(environment, ROOT)

    gates = gates_over(serving, deployments)
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
    promotion = promotion_over(serving, deployments, gates)
    endpoints = Endpoints(serving, load, upkeep.tallies, auditor, _now)
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
        delivery=Delivery(
            sites=sites,
            open_place=open_place,
            archives=archives or LocalArchives(),
            registry=registry,
            registration=registration,
            evaluating=evaluating,
            auditor=auditor,
            clock=_now,
        ),
        teardown=Teardown(
            sites=sites,
            serving=serving,
            deployments=deployments,
            endpoints=endpoints,
            auditor=auditor,
            clock=_now,
        ),
        declaring=Declaring(
            LocalModelFile(settings.declared, ROOT),
            registry,
            serving,
            pull_requests or NoPullRequests(),
            auditor,
            can_propose=pull_requests is not None,
        ),
        commenting=Commenting(pull_requests or NoPullRequests(), auditor),
        origin=origin,
        evidence=EvidenceService(promotion, deployments, registry, serving, audit, evaluations, _now),
        prediction=PredictionService(serving, registry, candidates, examples, upkeep.tallies, auditor, _now),
        sampling=Sampling(registry, serving, evaluations),
        endpoints=endpoints,
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
        refusal=refusal,
    )


def _is_recording(home: Home, run: str) -> bool | None:
    """Whether the job that a run has its name of lives; None for runs of other people's programs."""
    if Path(run).name != run:
        return None  # a stranger's run may be called anything
    lock = home.job(run).lock
    return is_held(lock) if lock.exists() else None


def _now() -> datetime:
    return datetime.now(UTC)
