"""Everything on AWS: what one dashboard does, every other one sees.

Its libraries are loaded with this module, so that only those who use it wait for them.
"""

from __future__ import annotations

from collections.abc import Mapping

from backend.adapters.local.home import Home
from backend.adapters.sagemaker.access import Access
from backend.adapters.sagemaker.account import Account
from backend.adapters.sagemaker.background import WatchedTraining, WatchedTuning, heard
from backend.adapters.sagemaker.job_requests import Site
from backend.adapters.sagemaker.load import SageMakerLoad
from backend.adapters.sagemaker.prices import Prices
from backend.adapters.sagemaker.serving import ServingOnAws, serving_on_aws
from backend.adapters.sagemaker.session import Aws
from backend.adapters.sagemaker.spawn import start_launcher
from backend.adapters.sagemaker.training import SageMakerTraining
from backend.adapters.sagemaker.tuning import SageMakerTuning
from backend.adapters.sagemaker.watched import WatchedDeployments, WatchedFleets, WatchedRegistry, WatchedServing
from backend.adapters.sagemaker.watched_records import (
    WatchedAudit,
    WatchedEvaluations,
    WatchedExamples,
    WatchedExampleSets,
    WatchedOperations,
)
from backend.adapters.sagemaker.watched_upkeep import (
    WatchedLifetimes,
    WatchedServerLogs,
    WatchedTallies,
    WatchedTraffic,
)
from backend.domain.freshness import NOW
from backend.ports.probes import Probe
from backend.ports.training import TrainingPlatform
from backend.ports.tuning import TuningPlatform
from backend.settings import Settings
from backend.wiring.platform import Platform, Stores, Upkeep


def sagemaker_platform(
    settings: Settings, *, home: Home, environment: Mapping[str, str], wandb: Probe, watched: bool
) -> Platform:
    """The account that `environment` signs in to. `watched`: reads are answered in the background."""
    aws = Aws(Account.from_environ(environment))
    training, tuning = _jobs(settings, aws, environment, watched=watched)
    made = serving_on_aws(
        aws,
        cache=home.root / "archives",
        image=settings.triton_image,
        instance_type=settings.endpoint_instance,
        instances=settings.endpoint_instances,
        shift=settings.endpoint_shift,
        subnets=_listed(settings.subnets),
        security_groups=_listed(settings.security_groups),
        kms_key=settings.kms_key,
        tags=_tags(settings),
        prices=Prices(aws, settings.prices, component="Hosting"),
    )
    return Platform(
        training=training,
        tuning=tuning,
        serving=WatchedServing(made.serving) if watched else made.serving,
        fleets=WatchedFleets(made.fleets) if watched else made.fleets,
        stores=_watched_stores(made) if watched else _stores(made),
        upkeep=_watched_upkeep(made) if watched else _upkeep(made),
        sites=made.sites,
        archives=made.archives,
        load=SageMakerLoad(aws),
        probes=[wandb, *made.probes],
        refusal=Access(aws).refusal,
        freshness=heard if watched else lambda: NOW,
    )


def _stores(made: ServingOnAws) -> Stores:
    return Stores(
        registry=made.registry,
        deployments=made.deployments,
        audit=made.audit,
        examples=made.examples,
        example_sets=made.example_sets,
        operations=made.operations,
        evaluations=made.evaluations,
    )


def _watched_stores(made: ServingOnAws) -> Stores:
    return Stores(
        registry=WatchedRegistry(made.registry),
        deployments=WatchedDeployments(made.deployments),
        audit=WatchedAudit(made.audit),
        examples=WatchedExamples(made.examples),
        example_sets=WatchedExampleSets(made.example_sets),
        operations=WatchedOperations(made.operations),
        evaluations=WatchedEvaluations(made.evaluations),
    )


def _upkeep(made: ServingOnAws) -> Upkeep:
    return Upkeep(traffic=made.traffic, tallies=made.tallies, logs=made.logs, lifetimes=made.lifetimes)


def _watched_upkeep(made: ServingOnAws) -> Upkeep:
    return Upkeep(
        traffic=WatchedTraffic(made.traffic),
        tallies=WatchedTallies(made.tallies),
        logs=WatchedServerLogs(made.logs),
        lifetimes=WatchedLifetimes(made.lifetimes),
    )


def _jobs(
    settings: Settings, aws: Aws, environment: Mapping[str, str], *, watched: bool
) -> tuple[TrainingPlatform, TuningPlatform]:
    site = Site(
        image=settings.training_image,
        instance_type=settings.training_instance,
        volume_gb=settings.volume_gb,
        subnets=_listed(settings.subnets),
        security_groups=_listed(settings.security_groups),
        kms_key=settings.kms_key,
        tags=_tags(settings),
        wandb_project=settings.wandb_project,
    )
    start = start_launcher(settings.home, environment)
    training = SageMakerTraining(
        aws, folder=settings.home, site=site, start=start, prices=Prices(aws, settings.prices), data=settings.data
    )
    tuning = SageMakerTuning(aws, training.records, site=site, start=start, data=str(settings.data or ""))
    return (WatchedTraining(training), WatchedTuning(tuning)) if watched else (training, tuning)


def _tags(settings: Settings) -> dict[str, str]:
    return dict(one.split("=", 1) for one in _listed(settings.aws_tags))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())
