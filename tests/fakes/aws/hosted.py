"""The product's serving adapters over the fake account, quick enough for tests."""

from __future__ import annotations

from pathlib import Path

from backend.adapters.sagemaker.artifacts import Artifacts
from backend.adapters.sagemaker.endpoints import SageMakerEndpoints
from backend.adapters.sagemaker.hosted import HostedEndpoint
from backend.adapters.sagemaker.hosting import Preparation
from backend.adapters.sagemaker.images import triton_image
from backend.adapters.sagemaker.names import endpoint_name
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.registry import SageMakerRegistry
from backend.adapters.sagemaker.serving_requests import Hosting, deployment_config
from backend.adapters.sagemaker.session import Account, Aws
from backend.domain.serving import ServedModel, Stage

LEASE_S = 2.0
INSTANCE = "ml.m5.large"


def hosting_for(account: Account, **given: object) -> Hosting:
    return Hosting(
        **{"image": triton_image(account.region, INSTANCE), "role": account.role, "instance_type": INSTANCE, **given}  # type: ignore[arg-type]
    )


def serving_on(account: Account, cache: Path, **hosting: object) -> SageMakerEndpoints:
    """Looks follow one another at once; a lease is two seconds, the least that S3's clock can tell."""
    aws = Aws(account)
    return SageMakerEndpoints(
        aws,
        Bucket(aws),
        Artifacts(aws, cache / "archives"),
        hosting_for(account, **hosting),
        poll_s=0.001,
        lease_s=LEASE_S,
    )


def serve_past(account: Account, cache: Path, stage: Stage, model: ServedModel, archive: Path) -> None:
    """Update the stage's endpoint to a config with another archive, as somebody would past the product."""
    aws = Aws(account)
    hosting = hosting_for(account)
    hosted = HostedEndpoint(aws, endpoint_name(stage, ""), poll_s=0.001)
    preparation = Preparation(aws, Artifacts(aws, cache / "archives"), hosting, hosted.name)
    preparation.store(archive, model)
    hosted.update(preparation.ensure(model), deployment_config(hosting, ()))
    hosted.settle(10)


def registry_on(account: Account, cache: Path) -> SageMakerRegistry:
    aws = Aws(account)
    return SageMakerRegistry(
        aws, Bucket(aws), Artifacts(aws, cache / "archives"), image=triton_image(account.region, INSTANCE)
    )
