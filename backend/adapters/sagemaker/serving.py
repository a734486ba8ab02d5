"""The serving half of the platform on AWS, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.adapters.sagemaker.artifacts import Artifacts
from backend.adapters.sagemaker.audit import S3AuditLog
from backend.adapters.sagemaker.deployments import S3Deployments
from backend.adapters.sagemaker.endpoint_logs import CloudWatchServerLogs
from backend.adapters.sagemaker.endpoint_traffic import CloudWatchTraffic
from backend.adapters.sagemaker.endpoints import SageMakerEndpoints
from backend.adapters.sagemaker.evaluations import S3Evaluations
from backend.adapters.sagemaker.example_sets import S3ExampleSets
from backend.adapters.sagemaker.hard_examples import S3HardExamples
from backend.adapters.sagemaker.images import triton_image
from backend.adapters.sagemaker.lifetimes import S3Lifetimes
from backend.adapters.sagemaker.names import Suffixes
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.operation_store import S3OperationStore
from backend.adapters.sagemaker.prices import Prices
from backend.adapters.sagemaker.probes import serving_probes
from backend.adapters.sagemaker.registry import SageMakerRegistry
from backend.adapters.sagemaker.scaling import SageMakerFleets
from backend.adapters.sagemaker.serving_requests import Hosting, Shift
from backend.adapters.sagemaker.session import Aws
from backend.adapters.sagemaker.sites import S3Archives, SageMakerSites
from backend.adapters.sagemaker.tallies import S3Tallies
from backend.ports.probes import Probe


@dataclass(frozen=True, kw_only=True)
class ServingOnAws:
    """Everything of the product that is not a job; none of it keeps state on this machine but a cache of archives."""

    registry: SageMakerRegistry
    serving: SageMakerEndpoints
    fleets: SageMakerFleets
    deployments: S3Deployments
    audit: S3AuditLog
    operations: S3OperationStore
    examples: S3HardExamples
    example_sets: S3ExampleSets
    evaluations: S3Evaluations
    traffic: CloudWatchTraffic
    tallies: S3Tallies
    logs: CloudWatchServerLogs
    lifetimes: S3Lifetimes
    sites: SageMakerSites
    archives: S3Archives
    probes: Sequence[Probe]


def serving_on_aws(
    aws: Aws,
    *,
    cache: Path,
    image: str,
    instance_type: str,
    instances: int,
    shift: str,
    subnets: tuple[str, ...],
    security_groups: tuple[str, ...],
    kms_key: str,
    tags: Mapping[str, str] | None = None,
    prices: Prices | None = None,
) -> ServingOnAws:
    """`image` empty is AWS's own Triton container of the region. Raises `InvalidInputError` for what cannot be so."""
    hosting = Hosting(
        image=image or triton_image(aws.account.region, instance_type),
        role=aws.account.role,
        instance_type=instance_type,
        instances=instances,
        shift=Shift(shift),
        subnets=subnets,
        security_groups=security_groups,
        kms_key=kms_key,
        tags=tags or {},
    )
    bucket = Bucket(aws)
    artifacts = Artifacts(aws, cache)
    serving = SageMakerEndpoints(aws, bucket, artifacts, hosting, prices=prices)

    def serve(on: Hosting, suffixes: Suffixes, own: Mapping[str, str], declared: bool) -> SageMakerEndpoints:
        return SageMakerEndpoints(
            aws, bucket, artifacts, on, prices=prices, suffixes=suffixes, tags=own, declared=declared
        )

    return ServingOnAws(
        registry=SageMakerRegistry(aws, bucket, artifacts, image=hosting.image, tags=hosting.tags),
        serving=serving,
        fleets=SageMakerFleets(aws),
        deployments=S3Deployments(bucket),
        audit=S3AuditLog(bucket),
        operations=S3OperationStore(bucket),
        examples=S3HardExamples(bucket),
        example_sets=S3ExampleSets(bucket),
        evaluations=S3Evaluations(bucket),
        traffic=CloudWatchTraffic(aws, instance_type=hosting.instance_type),
        tallies=S3Tallies(bucket),
        logs=CloudWatchServerLogs(aws),
        lifetimes=S3Lifetimes(bucket),
        sites=SageMakerSites(aws, bucket, hosting, serve, own_image=image),
        archives=S3Archives(bucket, cache / "incoming"),
        probes=serving_probes(aws, bucket, serving, hosting),
    )
