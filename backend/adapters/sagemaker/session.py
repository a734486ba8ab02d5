"""The one way to AWS: a boto3 session, its clients built once, all timeouts and retries.

Clients are safe to share between threads, sessions are not: a client is made under a lock, and kept.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final, Literal

import boto3
from botocore.config import Config

from backend.adapters.sagemaker.account import Account

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient
    from types_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from types_boto3_sts import STSClient

Use = Literal["read", "write", "invoke"]

PAGE: Final = 100
"""Entries of a list per call: the most that SageMaker gives; its default is 10, ten times the calls."""
PRICE_REGION: Final = "us-east-1"
"""The Price List API is there and in a few other regions only."""

_CONFIGS: Final[dict[Use, dict[str, Any]]] = {
    # Somebody looks at a page: three attempts give up within 3 s of throttling, and the cached answer stays.
    "read": {"connect_timeout": 3, "read_timeout": 10, "retries": {"mode": "standard", "total_max_attempts": 3}},
    # Creating and changing happens in processes of their own, which may wait: eight attempts are about a minute.
    "write": {"connect_timeout": 5, "read_timeout": 60, "retries": {"mode": "standard", "total_max_attempts": 8}},
    # A model answers in milliseconds; a prediction is shown late rather than asked for twice.
    "invoke": {"connect_timeout": 2, "read_timeout": 2, "retries": {"mode": "standard", "total_max_attempts": 1}},
}


class Aws:
    """The clients of one account. Makes none until it is asked for; connects to nothing by itself."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._lock = threading.Lock()
        self._session: boto3.Session | None = None
        self._clients: dict[tuple[str, Use, str], Any] = {}

    def sagemaker(self, use: Use = "read") -> SageMakerClient:
        return self.client("sagemaker", use)

    @property
    def runtime(self) -> SageMakerRuntimeClient:
        return self.client("sagemaker-runtime", "invoke")

    def s3(self, use: Use = "read") -> S3Client:
        return self.client("s3", use)

    @property
    def logs(self) -> CloudWatchLogsClient:
        return self.client("logs")

    def cloudwatch(self, use: Use = "read") -> CloudWatchClient:
        return self.client("cloudwatch", use)

    @property
    def sts(self) -> STSClient:
        return self.client("sts")

    @property
    def session(self) -> boto3.Session:
        """For the SageMaker SDK, which wants one; use the clients above for everything else."""
        with self._lock:
            return self._open()

    def client(self, service: str, use: Use = "read", region: str = "") -> Any:
        """The client of a service that has no method above: iam, ecr, service-quotas, pricing, ..."""
        key = (service, use, region)
        with self._lock:
            if key not in self._clients:
                config = Config(**_CONFIGS[use], user_agent_extra="digit-ops")
                self._clients[key] = self._open().client(  # type: ignore[call-overload]
                    service,
                    region_name=region or self.account.region,
                    endpoint_url=self.account.endpoint_url or None,
                    config=config,
                )
            return self._clients[key]

    def _open(self) -> boto3.Session:
        if self._session is None:
            account = self.account
            self._session = boto3.Session(
                region_name=account.region,
                profile_name=account.profile or None,
                aws_access_key_id=account.access_key_id or None,
                aws_secret_access_key=account.secret_access_key or None,
                aws_session_token=account.session_token or None,
            )
        return self._session


class Pace:
    """Keeps calls within a rate that AWS allows: `wait` returns when the next one may be made.

    Two calls may follow each other at once, so that a short list is not slowed down.
    """

    def __init__(self, per_second: float, burst: int = 2) -> None:
        self._interval = 1.0 / per_second
        self._ahead = burst * self._interval
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next + self._interval, now - self._ahead + self._interval)
            pause = self._next - now
        if pause > 0:
            time.sleep(pause)
