"""What is asked of SageMaker to serve one version, as plain requests; pure.

The same version, archive and settings give the same requests, and so the same names (`names.content_name`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from backend.adapters.sagemaker.names import content_name
from backend.domain.serving import TRITON_MODEL, ServedModel
from backend.errors import InvalidInputError

VARIANT: Final = "AllTraffic"
"""The same in every config: a blue/green deployment wants the old variant's name."""
VERSION_VARIABLE: Final = "DIGITS_VERSION"
_STARTUP_TIMEOUT_S: Final = 600
_LONGEST_WAIT_S: Final = 3600
_EXECUTION_S: Final = (600, 28_800)
_ROOM_S: Final = 1_800
"""For starting the new fleet, beside the waits that were asked for."""


class Shift(Enum):
    """How a blue/green deployment moves traffic to the new fleet."""

    ALL_AT_ONCE = "all-at-once"
    CANARY = "canary"
    LINEAR = "linear"


@dataclass(frozen=True, kw_only=True)
class Hosting:
    """On what an endpoint runs, and how it changes.

    `image` is the Triton container, `role` what it runs as. `step_percent` of the fleet takes traffic first (canary) or
    with each step (linear); after each, SageMaker watches the alarms for `wait_s` seconds. `terminate_after_s` is how
    long the old fleet is kept after the new one has all traffic. `subnets` and `security_groups` come together.
    `tags` are put on whatever is made for it; no name depends on them, so that other tags make nothing anew.
    """

    image: str
    role: str
    instance_type: str = "ml.m5.large"
    instances: int = 1
    shift: Shift = Shift.ALL_AT_ONCE
    step_percent: int = 10
    wait_s: int = 120
    terminate_after_s: int = 60
    kms_key: str = ""
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse here what SageMaker would refuse after minutes, or take and never finish."""
        self._require(self.instance_type.startswith("ml."), f"the instance type is '{self.instance_type}'", "ml....")
        self._require(self.instances >= 1, f"there are {self.instances} instances", "at least 1")
        for what, seconds in (("wait", self.wait_s), ("termination wait", self.terminate_after_s)):
            self._require(0 <= seconds <= _LONGEST_WAIT_S, f"the {what} is {seconds} s", f"0 to {_LONGEST_WAIT_S} s")
        self._require(
            bool(self.subnets) == bool(self.security_groups), "a VPC is half named", "subnets and security groups"
        )
        if self.shift is Shift.ALL_AT_ONCE:
            return
        low, high = (10, 50) if self.shift is Shift.LINEAR else (1, 50)
        self._require(
            low <= self.step_percent <= high, f"a step is {self.step_percent} % of the fleet", f"{low} to {high} %"
        )
        self._require(
            self.instances >= 2,
            f"{self.instances} instance cannot be shifted in parts ({self.shift.value})",
            "2 or more, or the shift 'all-at-once'",
        )
        self._require(
            self.longest_s <= _EXECUTION_S[1],
            f"the shift would take {self.longest_s} s",
            f"at most {_EXECUTION_S[1]} s; wait less or take larger steps",
        )

    def _require(self, holds: bool, observed: str, expected: str) -> None:
        if not holds:
            raise InvalidInputError(f"An endpoint cannot be set up so: {observed}, expected {expected}.")

    @property
    def step_instances(self) -> int:
        """At least one instance, never more than half of the fleet."""
        return max(1, self.instances * self.step_percent // 100)

    @property
    def longest_s(self) -> int:
        """When SageMaker gives a deployment up and goes back."""
        steps = {Shift.ALL_AT_ONCE: 1, Shift.CANARY: 2, Shift.LINEAR: -(-self.instances // self.step_instances)}[
            self.shift
        ]
        return max(_EXECUTION_S[0], steps * self.wait_s + self.terminate_after_s + _ROOM_S)


def tagging(tags: Mapping[str, str]) -> dict[str, Any]:
    """What a request to create something takes so that it has these tags; nothing when there are none."""
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]} if tags else {}


def model_request(endpoint: str, target: ServedModel, model_data: str, hosting: Hosting) -> dict[str, Any]:
    """CreateModel. The version is in the container's environment: DescribeModel then tells what answers.

    Made from the archive, not from the model package: a package can be served only while it is approved, and a rollback
    must reach a version that was rejected since.
    """
    request: dict[str, Any] = {
        "PrimaryContainer": {
            "Image": hosting.image,
            "ModelDataUrl": model_data,
            "Environment": {
                "SAGEMAKER_TRITON_DEFAULT_MODEL_NAME": TRITON_MODEL,
                "SAGEMAKER_TRITON_LOG_VERBOSE": "false",
                VERSION_VARIABLE: str(target.version),
            },
        },
        "ExecutionRoleArn": hosting.role,
    }
    if hosting.subnets:
        request["VpcConfig"] = {"Subnets": list(hosting.subnets), "SecurityGroupIds": list(hosting.security_groups)}
    return {"ModelName": content_name(endpoint, target.version, request), **request}


def config_request(endpoint: str, target: ServedModel, model_name: str, hosting: Hosting) -> dict[str, Any]:
    """CreateEndpointConfig of one variant that takes all traffic."""
    request: dict[str, Any] = {
        "ProductionVariants": [
            {
                "VariantName": VARIANT,
                "ModelName": model_name,
                "InstanceType": hosting.instance_type,
                "InitialInstanceCount": hosting.instances,
                "InitialVariantWeight": 1.0,
                "ModelDataDownloadTimeoutInSeconds": _STARTUP_TIMEOUT_S,
                "ContainerStartupHealthCheckTimeoutInSeconds": _STARTUP_TIMEOUT_S,
            }
        ]
    }
    if hosting.kms_key:
        request["KmsKeyId"] = hosting.kms_key
    return {"EndpointConfigName": content_name(endpoint, target.version, request), **request}


def deployment_config(hosting: Hosting, alarms: Sequence[str]) -> dict[str, Any]:
    """How UpdateEndpoint moves the traffic. Without alarms SageMaker goes back only when the new fleet does not start.

    https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html
    """
    routing: dict[str, Any] = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": hosting.wait_s if alarms else 0}
    # In instances: SageMaker takes at most half of the fleet, and a percentage of a small one is no whole number.
    step = {"Type": "INSTANCE_COUNT", "Value": hosting.step_instances}
    if hosting.shift is Shift.CANARY:
        routing = {"Type": "CANARY", "WaitIntervalInSeconds": hosting.wait_s, "CanarySize": step}
    if hosting.shift is Shift.LINEAR:
        routing = {"Type": "LINEAR", "WaitIntervalInSeconds": hosting.wait_s, "LinearStepSize": step}
    config: dict[str, Any] = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": hosting.terminate_after_s if alarms else 0,
            "MaximumExecutionTimeoutInSeconds": hosting.longest_s,
        }
    }
    if alarms:
        config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return config


def same_content(request: Mapping[str, Any], described: Mapping[str, Any]) -> bool:
    """Whether what is described was made by this request: every value that was asked for is there.

    SageMaker adds values of its own (times, defaults, empty structures), which do not count.
    """
    return all(_covers(described.get(name), value) for name, value in request.items())


def _covers(described: Any, asked: Any) -> bool:
    if isinstance(asked, Mapping):
        return isinstance(described, Mapping) and same_content(asked, described)
    if isinstance(asked, list):
        same_length = isinstance(described, list) and len(described) == len(asked)
        return same_length and all(_covers(d, a) for d, a in zip(described, asked, strict=True))
    return bool(described == asked)
