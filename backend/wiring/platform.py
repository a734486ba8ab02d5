"""What a platform brings for the services to work with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backend.domain.freshness import NOW, Freshness
from backend.errors import DigitsError
from backend.ports.archives import ArchiveSource
from backend.ports.audit import AuditLog
from backend.ports.deployments import DeploymentStore
from backend.ports.evaluations import EvaluationStore
from backend.ports.example_sets import ExampleSets
from backend.ports.fleets import Fleets
from backend.ports.hard_examples import HardExamples
from backend.ports.load import LoadGenerator
from backend.ports.operations import OperationStore
from backend.ports.probes import Probe
from backend.ports.registry import ModelRegistry
from backend.ports.serving import ServingPlatform
from backend.ports.sites import Sites
from backend.ports.training import TrainingPlatform
from backend.ports.tuning import TuningPlatform
from backend.ports.upkeep import Lifetimes, ServerLogs, Tallies, Traffic


@dataclass(frozen=True, kw_only=True)
class Stores:
    """What is kept: of this machine in its database and home, on AWS in its bucket and registry."""

    registry: ModelRegistry
    deployments: DeploymentStore
    audit: AuditLog
    examples: HardExamples
    example_sets: ExampleSets
    operations: OperationStore
    evaluations: EvaluationStore


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """What is known of the endpoints over time, and how long they are to serve."""

    traffic: Traffic
    tallies: Tallies
    logs: ServerLogs
    lifetimes: Lifetimes


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Where jobs run, versions serve and records are kept; `probes` are the doctor's questions about it."""

    training: TrainingPlatform
    tuning: TuningPlatform
    serving: ServingPlatform
    fleets: Fleets
    stores: Stores
    upkeep: Upkeep
    sites: Sites
    archives: ArchiveSource
    load: LoadGenerator
    probes: Sequence[Probe]
    refusal: Callable[[], DigitsError | None] = lambda: None
    """Why nothing can be asked of it from this machine, told at once; None when it can."""
    freshness: Callable[[], Freshness] = lambda: NOW
    """How old what is read from it is."""
