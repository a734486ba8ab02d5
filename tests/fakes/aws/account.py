"""The account that tests are given as `aws`: its server, its parts, and how the product reaches it."""

from __future__ import annotations

from backend.adapters.sagemaker.session import Account, Aws
from tests.fakes.aws.server import Server
from tests.fakes.aws.serving import ServingParts
from tests.fakes.aws.training import ACCOUNT, REGION, TrainingJobs
from tests.fakes.aws.tuning import TuningJobs

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
