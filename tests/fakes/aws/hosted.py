"""The product's serving adapters over the fake account, quick enough for tests."""

from __future__ import annotations

from pathlib import Path

from backend.adapters.sagemaker.artifacts import Artifacts
from backend.adapters.sagemaker.endpoints import SageMakerEndpoints
from backend.adapters.sagemaker.images import triton_image
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.registry import SageMakerRegistry
from backend.adapters.sagemaker.serving_requests import Hosting
from backend.adapters.sagemaker.session import Account, Aws

LEASE_S = 2.0
INSTANCE = "ml.m5.large"


def hosting_for(account: Account, **given: object) -> Hosting:
    return Hosting(
        **{"image": triton_image(account.region, INSTANCE), "role": account.role, "instance_type": INSTANCE, **given}  # type: ignore[arg-type]
    )


def serving_on(account: Account, cache: Path, *, suffix: str = "", **hosting: object) -> SageMakerEndpoints:
    """Looks follow one another at once; a lease is two seconds, the least that S3's clock can tell."""
    aws = Aws(account)
    return SageMakerEndpoints(
        aws,
        Bucket(aws),
        Artifacts(aws, cache / "archives"),
        hosting_for(account, **hosting),
        suffix=suffix,
        poll_s=0.001,
        lease_s=LEASE_S,
    )


def registry_on(account: Account, cache: Path) -> SageMakerRegistry:
    aws = Aws(account)
    return SageMakerRegistry(
        aws, Bucket(aws), Artifacts(aws, cache / "archives"), image=triton_image(account.region, INSTANCE)
    )
