"""Endpoints as SageMaker has them: fleets that come up or do not, blue/green with its silent way back.

Time here is looks: an endpoint under way moves on by one with every `DescribeEndpoint`, and settles after `pace` of
them. What an operator would see from another address, they see here too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.fakes.aws.faults import AwsFault, validation
from tests.fakes.aws.models import ModelsAndConfigs, limit_exceeded
from tests.fakes.aws.server import page
from tests.fakes.aws.training import ACCOUNT, arn

Request = Mapping[str, Any]


@dataclass
class Change:
    """What is under way: to which config, how many looks it still takes, and what comes of it."""

    config: str
    looks: int
    reason: str = ""
    """Not empty: it fails so."""
    stuck: bool = False
    """The way back fails too."""


@dataclass
class FakeEndpoint:
    name: str
    config: str
    status: str
    instances: int
    created: datetime
    changed: datetime
    reason: str = ""
    change: Change | None = None
    guards: tuple[str, ...] = ()
    deployed_as: Request = field(default_factory=dict)
    """The DeploymentConfig of the last update."""


class Endpoints:
    """A part of SageMaker. `starts` tells why a fleet of this model data would not come up, "" when it does;
    `alarmed` says which of some alarms are in ALARM.
    """

    def __init__(
        self,
        kept: ModelsAndConfigs,
        starts: Callable[[str], str],
        alarmed: Callable[[tuple[str, ...]], list[str]],
    ) -> None:
        self._kept = kept
        self._starts = starts
        self._alarmed = alarmed
        self.endpoints: dict[str, FakeEndpoint] = {}
        self.tag: Callable[[str, list[Request]], None] = lambda resource, tags: None
        self.pace = 1
        self.quotas: dict[str, int] = {}
        self.next_failure: Change | None = None
        self._lock = threading.RLock()

    def reset(self) -> None:
        self.endpoints.clear()
        self.quotas.clear()
        self.pace, self.next_failure = 1, None

    def fail_next(self, reason: str, *, stuck: bool = False) -> None:
        """The next fleet does not come up, for this reason (may be one space: SageMaker often says nothing)."""
        self.next_failure = Change(config="", looks=0, reason=reason, stuck=stuck)

    def delete_by_hand(self, name: str) -> None:
        del self.endpoints[name]

    def create_endpoint(self, asked: Request) -> Request:
        with self._lock:
            name, config = asked["EndpointName"], asked["EndpointConfigName"]
            if name in self.endpoints:
                raise validation(f'Cannot create already existing endpoint "{arn("endpoint", name)}".')
            variant = self._kept.config(config)["ProductionVariants"][0]
            self._require_quota(variant["InstanceType"], variant["InitialInstanceCount"])
            now = datetime.now(UTC)
            endpoint = FakeEndpoint(name, config, "Creating", variant["InitialInstanceCount"], now, now)
            endpoint.change = self._begin(config)
            self.tag(arn("endpoint", name), list(asked.get("Tags", [])))
            self.endpoints[name] = endpoint
        return {"EndpointArn": arn("endpoint", name)}

    def update_endpoint(self, asked: Request) -> Request:
        with self._lock:
            endpoint = self.endpoint(asked["EndpointName"])
            if endpoint.status != "InService":
                raise validation(f'Cannot update in-progress endpoint "{arn("endpoint", endpoint.name)}".')
            self._kept.config(endpoint.config)  # whoever deleted it has made the endpoint unchangeable
            variant = self._kept.config(asked["EndpointConfigName"])["ProductionVariants"][0]
            count = endpoint.instances if asked.get("RetainAllVariantProperties") else variant["InitialInstanceCount"]
            self._require_quota(variant["InstanceType"], count)
            deployed_as = asked.get("DeploymentConfig", {})
            _require_possible(deployed_as, count)
            rollback = deployed_as.get("AutoRollbackConfiguration", {})
            endpoint.guards = tuple(alarm["AlarmName"] for alarm in rollback.get("Alarms", []))
            endpoint.deployed_as = deployed_as
            endpoint.status, endpoint.reason, endpoint.instances = "Updating", "", count
            endpoint.change = self._begin(asked["EndpointConfigName"])
            endpoint.changed = datetime.now(UTC)
        return {"EndpointArn": arn("endpoint", endpoint.name)}

    def update_endpoint_weights_and_capacities(self, asked: Request) -> Request:
        endpoint = self.endpoint(asked["EndpointName"])
        if endpoint.status != "InService":
            raise validation(f'Cannot update in-progress endpoint "{arn("endpoint", endpoint.name)}".')
        count = asked["DesiredWeightsAndCapacities"][0]["DesiredInstanceCount"]
        variant = self._kept.config(endpoint.config)["ProductionVariants"][0]
        self._require_quota(variant["InstanceType"], count - endpoint.instances)
        endpoint.status, endpoint.instances = "Updating", count
        endpoint.change = Change(endpoint.config, self.pace)
        return {"EndpointArn": arn("endpoint", endpoint.name)}

    def delete_endpoint(self, asked: Request) -> None:
        endpoint = self.endpoint(asked["EndpointName"])
        if endpoint.status in ("Creating", "Updating", "RollingBack"):
            raise validation(f'Cannot delete in-progress endpoint "{arn("endpoint", endpoint.name)}".')
        endpoint.status, endpoint.change = "Deleting", Change("", self.pace)

    def describe_endpoint(self, asked: Request) -> Request:
        with self._lock:
            endpoint = self.endpoint(asked["EndpointName"])
            self._move(endpoint)
            if endpoint.name not in self.endpoints:
                raise self._unknown(endpoint.name)
            told: dict[str, Any] = {
                "EndpointName": endpoint.name,
                "EndpointArn": arn("endpoint", endpoint.name),
                "EndpointConfigName": endpoint.config,
                "EndpointStatus": endpoint.status,
                "CreationTime": endpoint.created,
                "LastModifiedTime": endpoint.changed,
            }
            if endpoint.status not in ("Creating", "Failed", "Deleting"):
                told["ProductionVariants"] = [
                    {
                        "VariantName": "AllTraffic",
                        "CurrentInstanceCount": endpoint.instances,
                        "DesiredInstanceCount": endpoint.instances,
                        "CurrentWeight": 1.0,
                    }
                ]
            if endpoint.status in ("Updating", "RollingBack") and endpoint.change:
                told["PendingDeploymentSummary"] = {"EndpointConfigName": endpoint.change.config or endpoint.config}
            if endpoint.reason.strip():
                told["FailureReason"] = endpoint.reason
            return told

    def list_endpoints(self, asked: Request) -> Request:
        entries = [
            {
                "EndpointName": endpoint.name,
                "EndpointArn": arn("endpoint", endpoint.name),
                "CreationTime": endpoint.created,
                "LastModifiedTime": endpoint.changed,
                "EndpointStatus": endpoint.status,
            }
            for endpoint in self.endpoints.values()
            if asked.get("NameContains", "") in endpoint.name
        ]
        return page(entries[::-1], asked, "Endpoints")

    def endpoint(self, name: str) -> FakeEndpoint:
        if name not in self.endpoints:
            raise self._unknown(name)
        return self.endpoints[name]

    def model_data(self, name: str) -> str:
        """Where the archive is that answers on the endpoint now. Raises as InvokeEndpoint does."""
        endpoint = self.endpoints.get(name)
        if endpoint is None or endpoint.status in ("Creating", "Failed", "Deleting"):
            raise AwsFault(code="ValidationError", message=f"Endpoint {name} of account {ACCOUNT} not found.")
        variant = self._kept.config(endpoint.config)["ProductionVariants"][0]
        return str(self._kept.model(variant["ModelName"])["PrimaryContainer"]["ModelDataUrl"])

    @staticmethod
    def _unknown(name: str) -> AwsFault:
        return validation(f'Could not find endpoint "{arn("endpoint", name)}".')

    def _begin(self, config: str) -> Change:
        planned, self.next_failure = self.next_failure, None
        variant = self._kept.config(config)["ProductionVariants"][0]
        data = self._kept.model(variant["ModelName"])["PrimaryContainer"]["ModelDataUrl"]
        reason = planned.reason if planned else self._starts(data)
        return Change(config, self.pace, reason, planned.stuck if planned else False)

    def _move(self, endpoint: FakeEndpoint) -> None:
        change = endpoint.change
        if change is None:
            return
        if change.looks > 0:
            change.looks -= 1
            return
        endpoint.changed = datetime.now(UTC)
        if endpoint.status == "Deleting":
            del self.endpoints[endpoint.name]
        elif endpoint.status == "RollingBack":
            endpoint.change = None
            endpoint.status = "UpdateRollbackFailed" if change.stuck else "InService"
        elif endpoint.status == "Creating":
            endpoint.change = None
            endpoint.status, endpoint.reason = ("Failed", change.reason) if change.reason else ("InService", "")
        elif change.reason or self._alarmed(endpoint.guards):
            # The way back: the old config again, and "InService" as if nothing had been asked.
            endpoint.status, endpoint.reason = "RollingBack", change.reason
            endpoint.change = Change("", self.pace, stuck=change.stuck)
        else:
            endpoint.change = None
            endpoint.status, endpoint.config = "InService", change.config

    def _require_quota(self, instance_type: str, wanted: int) -> None:
        limit = self.quotas.get(instance_type)
        used = sum(
            e.instances
            for e in self.endpoints.values()
            if self._kept.configs.get(e.config, {}).get("ProductionVariants", [{}])[0].get("InstanceType")
            == instance_type
        )
        if limit is not None and used + wanted > limit:
            raise limit_exceeded(instance_type, limit, used, wanted)


def _require_possible(deployed_as: Request, instances: int) -> None:
    policy = deployed_as.get("BlueGreenUpdatePolicy")
    if not policy:
        return
    routing = policy["TrafficRoutingConfiguration"]
    waits = routing["WaitIntervalInSeconds"] + policy.get("TerminationWaitInSeconds", 0)
    if policy.get("MaximumExecutionTimeoutInSeconds", 28_800) <= waits:
        raise validation("MaximumExecutionTimeoutInSeconds must be longer than the waits together.")
    step = routing.get("CanarySize") or routing.get("LinearStepSize")
    if routing["Type"] != "ALL_AT_ONCE" and (step is None or step["Value"] * 2 > instances):
        raise validation("The size of a step must be at most 50% of the variant's total instance count.")
