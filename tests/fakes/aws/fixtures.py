"""`aws`: an account of its own for each test. Import it (and `aws_server`) where it is used."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backend.adapters.sagemaker.session import Account, Aws
from tests.fakes.aws.server import Server
from tests.fakes.aws.serving import ServingParts
from tests.fakes.aws.training import ACCOUNT, REGION, TrainingJobs
from tests.fakes.aws.tuning import TuningJobs
from tests.fakes.aws.zygote import Zygote

BUCKET = "digits-test"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/digits-execution"


def account_at(url: str) -> Account:
    """The account behind the fake's address, also for another process."""
    return Account(
        region=REGION,
        role=ROLE,
        bucket=BUCKET,
        endpoint_url=url,
        access_key_id="testing",
        secret_access_key="testing",
    )


class FakeAws:
    """The account: its server, its parts, and how to reach it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.faults = server.faults
        self.training = TrainingJobs()
        self.tuning = TuningJobs(self.training)
        server.parts["sagemaker"] = [self.training, self.tuning]
        self.serving = ServingParts(server)
        self.serving.endpoints.tag = lambda resource, tags: self.training.tags.update({resource: tags})

    @property
    def account(self) -> Account:
        return account_at(self.server.url)

    @property
    def environment(self) -> dict[str, str]:
        """For child processes: everything that the product and boto3 read."""
        return {
            "AWS_ENDPOINT_URL": self.server.url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
            "DIGITS_S3_BUCKET": BUCKET,
            "SM_ARN_ROLE": ROLE,
        }

    def connect(self) -> Aws:
        """Clients, for the product: the same ones for the whole session, because making them takes a second."""
        if self.server.connected is None:
            self.server.connected = self._new_clients()
        connected: Aws = self.server.connected
        return connected

    def _new_clients(self) -> Aws:
        return Aws(self.account)

    def new(self) -> None:
        """An account without anything but the bucket."""
        self.training.reset()
        self.tuning.reset()
        self.serving.reset()
        self.server.reset()
        self.connect().s3().create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        self.server.calls.clear()


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Server]:
    server = Server()
    yield server
    if server.launchers is not None:
        server.launchers.close()
    server.close()


@pytest.fixture
def launchers(aws_server: Server) -> Iterator[Zygote]:
    """Starts the product's launchers quickly; those that still run end with the test."""
    if aws_server.launchers is None:
        aws_server.launchers = Zygote()
    yield aws_server.launchers
    aws_server.launchers.end_all()


@pytest.fixture
def aws(aws_server: Server) -> Iterator[FakeAws]:
    fake = FakeAws(aws_server)
    fake.new()
    yield fake
    fake.training.reset()
    fake.tuning.reset()
    fake.serving.reset()
    assert not fake.server.defects, fake.server.defects
