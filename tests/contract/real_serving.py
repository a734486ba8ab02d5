"""The contracts of serving and promotion on a real AWS account; how to run them is told in `real_account`.

Each test has endpoints of its own beside the stages' (`digit-classification-test-<mark>-staging`) on one ml.m5.large
each, and a model package group of its own; both are deleted after it. A test that was killed leaves its endpoint with
the tag that the product gives to those of pull requests: the next test sweeps what has expired.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backend.adapters.sagemaker.account import Account
from backend.adapters.sagemaker.artifacts import Artifacts
from backend.adapters.sagemaker.audit import S3AuditLog
from backend.adapters.sagemaker.deployments import S3Deployments
from backend.adapters.sagemaker.endpoints import SageMakerEndpoints
from backend.adapters.sagemaker.errors import translating
from backend.adapters.sagemaker.evaluations import S3Evaluations
from backend.adapters.sagemaker.example_sets import S3ExampleSets
from backend.adapters.sagemaker.hard_examples import S3HardExamples
from backend.adapters.sagemaker.hosted import HostedEndpoint
from backend.adapters.sagemaker.hosting import Preparation
from backend.adapters.sagemaker.images import triton_image
from backend.adapters.sagemaker.names import endpoint_name
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.registry import SageMakerRegistry
from backend.adapters.sagemaker.serving import ServingOnAws, serving_on_aws
from backend.adapters.sagemaker.serving_requests import Hosting, deployment_config
from backend.adapters.sagemaker.session import Aws
from backend.adapters.sagemaker.sites import SageMakerSites
from backend.domain.delivery import EXPIRES
from backend.domain.registry import MODEL_GROUP
from backend.domain.serving import ServedModel, Stage
from backend.errors import DigitsError, NotFoundError

INSTANCE = "ml.m5.large"
PREFIX = "test-"
"""How the suffixes of the tests' endpoints begin: nobody else's are swept."""
LIFE = timedelta(hours=3)
"""A contract test makes at most a dozen fleets, each in some minutes."""
HOLDER = "tests"


def account() -> Account:
    return Account.from_environ(os.environ)


class Corner:
    """One test's part of the account: nothing in it but the bucket's name is anybody else's."""

    def __init__(self, folder: Path) -> None:
        self.mark = secrets.token_hex(4)
        self.aws = Aws(account())
        self.bucket = Bucket(self.aws)
        self._folder = folder
        self._sweep()
        self._empty()
        self.serving = serving_of(self.mark, folder)
        self.deployments = S3Deployments(self.bucket, suffixes=_suffixes(self.mark))
        self.registry = SageMakerRegistry(
            self.aws,
            self.bucket,
            Artifacts(self.aws, folder / "archives"),
            image=_hosting(self.aws).image,
            group=self._group,
        )
        self.audit = S3AuditLog(self.bucket)
        self.evaluations = S3Evaluations(self.bucket)
        self.examples = S3HardExamples(self.bucket)
        self.example_sets = S3ExampleSets(self.bucket)

    def load_past(self, stage: Stage, model: ServedModel, archive: Path) -> None:
        """As somebody would who uses AWS's console."""
        hosting = _hosting(self.aws)
        hosted = HostedEndpoint(self.aws, endpoint_name(stage, f"{PREFIX}{self.mark}"))
        preparation = Preparation(self.aws, Artifacts(self.aws, self._folder / "archives"), hosting, hosted.name)
        preparation.store(archive, model)
        hosted.update(preparation.ensure(model), deployment_config(hosting, ()))
        hosted.settle(LIFE.total_seconds())

    def close(self) -> None:
        """Everything of this test is gone, also when a part of it cannot be deleted: that is raised at the end."""
        left: list[DigitsError] = []
        for stage in Stage:
            try:
                self._sites.remove(stage, f"{PREFIX}{self.mark}", HOLDER)
            except DigitsError as error:
                left.append(error)
        self._forget_versions()
        self._empty()
        if left:
            raise left[0]

    @property
    def _group(self) -> str:
        return f"{MODEL_GROUP}-{PREFIX}{self.mark}"

    @property
    def _sites(self) -> SageMakerSites:
        return _made(self.aws, self._folder).sites

    def _sweep(self) -> None:
        """Endpoints that tests left which were killed."""
        for stage in Stage:
            for endpoint in self._sites.named(stage):
                if endpoint.suffix.startswith(PREFIX) and endpoint.expires < datetime.now(UTC):
                    with suppress(DigitsError):
                        self._sites.remove(stage, endpoint.suffix, HOLDER)

    def _forget_versions(self) -> None:
        sagemaker = self.aws.sagemaker("write")
        with suppress(NotFoundError), translating("forget the test's versions"):
            for page in sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=self._group):
                for package in page["ModelPackageSummaryList"]:
                    sagemaker.delete_model_package(ModelPackageName=package["ModelPackageArn"])
            sagemaker.delete_model_package_group(ModelPackageGroupName=self._group)

    def _empty(self) -> None:
        for key in list(self.bucket.keys("")):
            self.bucket.delete(key)


def serving_of(mark: str, folder: Path) -> SageMakerEndpoints:
    """The same endpoints also for another process: those of the test with this mark."""
    aws = Aws(account())
    expires = (datetime.now(UTC) + LIFE).isoformat(timespec="seconds")
    return SageMakerEndpoints(
        aws,
        Bucket(aws),
        Artifacts(aws, folder / "archives"),
        _hosting(aws),
        suffixes=_suffixes(mark),
        tags={"digits:test": mark, EXPIRES: expires},
    )


def _suffixes(mark: str) -> dict[Stage, str]:
    return dict.fromkeys(Stage, f"{PREFIX}{mark}")


def _hosting(aws: Aws) -> Hosting:
    return Hosting(
        image=triton_image(aws.account.region, INSTANCE), role=aws.account.role, instance_type=INSTANCE, instances=1
    )


def _made(aws: Aws, folder: Path) -> ServingOnAws:
    return serving_on_aws(
        aws,
        cache=folder / "archives",
        image="",
        instance_type=INSTANCE,
        instances=1,
        shift="all-at-once",
        subnets=(),
        security_groups=(),
        kms_key="",
    )
