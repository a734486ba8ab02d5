"""The services over the adapters that they are handed: what pages and commands work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from backend.adapters.github.pull_requests import NoPullRequests
from backend.adapters.local.database import Database
from backend.adapters.local.fleets import LocalFleets
from backend.adapters.local.home import Home
from backend.adapters.local.model_file import LocalModelFile
from backend.adapters.local.operations import LocalOperations
from backend.adapters.local.origin import read_origin
from backend.adapters.local.sites import LocalArchives, LocalSites
from backend.domain.freshness import NOW, Freshness
from backend.domain.gates import StagingLook
from backend.domain.identity import Actor
from backend.domain.origin import Origin
from backend.domain.serving import ServedModel
from backend.errors import DigitsError
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
from backend.wiring.environment import operation_environment
from backend.wiring.local import local_stores, local_upkeep
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
    freshness: Callable[[], Freshness]
    """How old what is read from the platform is."""

    @property
    def actor(self) -> Actor:
        """Who acts now."""
        return self.identity.actor()


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
    freshness: Callable[[], Freshness] = lambda: NOW,
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
            auditor=auditor,
            clock=_now,
        ),
        doctor=Doctor(probes),
        refusal=refusal,
        freshness=freshness,
    )


def _now() -> datetime:
    return datetime.now(UTC)
