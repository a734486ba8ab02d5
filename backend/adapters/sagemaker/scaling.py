"""How many instances an endpoint has: set by hand, or by Application Auto Scaling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from backend.adapters.sagemaker.alarms import Alarms
from backend.adapters.sagemaker.errors import translating
from backend.adapters.sagemaker.names import endpoint_name
from backend.adapters.sagemaker.serving_requests import VARIANT
from backend.adapters.sagemaker.session import Aws
from backend.domain.capabilities import Unsupported
from backend.domain.scaling import Autoscaling, Scale
from backend.domain.serving import Stage
from backend.errors import NotFoundError, WrongStateError
from backend.ports.fleets import Fleets

_NAMESPACE: Final = "sagemaker"
_DIMENSION: Final = "sagemaker:variant:DesiredInstanceCount"
_POLICY: Final = "invocations-per-instance"
_METRIC: Final = "SageMakerVariantInvocationsPerInstance"
_COOL_DOWN_S: Final = 300


class SageMakerFleets:
    """`Fleets` on SageMaker."""

    def __init__(self, aws: Aws) -> None:
        self.unsupported: Unsupported = {}
        self._alarms = Alarms(aws)
        self._names = {stage: endpoint_name(stage) for stage in Stage}
        self._fleets = {stage: Fleet(aws, name) for stage, name in self._names.items()}

    def read(self, stage: Stage) -> Scale:
        return self._fleets[stage].read()

    def set(self, stage: Stage, instances: int) -> None:
        self._fleets[stage].set(instances)

    def set_automatically(self, stage: Stage, rule: Autoscaling) -> None:
        fleet = self._fleets[stage]
        fleet.read()  # Application Auto Scaling would take a rule for an endpoint that does not exist
        fleet.set_automatically(rule)

    def set_by_hand(self, stage: Stage) -> None:
        self._fleets[stage].forget_autoscaling()

    def watch(self, stage: Stage) -> Sequence[str]:
        return self._alarms.create(self._names[stage])


class Fleet:
    """The instances behind the endpoint called `name`."""

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws = aws
        self._name = name
        self._resource = {
            "ServiceNamespace": _NAMESPACE,
            "ResourceId": f"endpoint/{name}/variant/{VARIANT}",
            "ScalableDimension": _DIMENSION,
        }

    @property
    def _autoscaler(self) -> Any:
        return self._aws.client("application-autoscaling", "write")

    def read(self) -> Scale:
        """Raises `NotFoundError` when there is no endpoint."""
        with translating(f"describe the endpoint '{self._name}'"):
            told = self._aws.sagemaker().describe_endpoint(EndpointName=self._name)
        variants = told.get("ProductionVariants", [])
        return Scale(
            instances=sum(variant.get("CurrentInstanceCount", 0) for variant in variants),
            desired=sum(variant.get("DesiredInstanceCount", 0) for variant in variants),
            autoscaling=self._autoscaling(),
        )

    def set(self, instances: int) -> None:
        """Begin to change the number. Raises `WrongStateError` while Application Auto Scaling decides about it."""
        if self._autoscaling() is not None:
            raise WrongStateError(
                f"'{self._name}' is scaled automatically: a number set by hand would be changed again.",
                hint="Turn automatic scaling off first: python -m backend endpoints scale --stage STAGE --by-hand",
            )
        with translating(f"scale the endpoint '{self._name}'"):
            self._aws.sagemaker("write").update_endpoint_weights_and_capacities(
                EndpointName=self._name,
                DesiredWeightsAndCapacities=[{"VariantName": VARIANT, "DesiredInstanceCount": instances}],
            )

    def set_automatically(self, wanted: Autoscaling) -> None:
        """From now on as many instances as keep each at about the wanted requests per minute; replaces a rule."""
        with translating(f"scale '{self._name}' automatically"):
            self._autoscaler.register_scalable_target(
                **self._resource, MinCapacity=wanted.minimum, MaxCapacity=wanted.maximum
            )
            self._autoscaler.put_scaling_policy(
                PolicyName=f"{self._name}-{_POLICY}",
                **self._resource,
                PolicyType="TargetTrackingScaling",
                TargetTrackingScalingPolicyConfiguration={
                    "TargetValue": float(wanted.per_minute),
                    "PredefinedMetricSpecification": {"PredefinedMetricType": _METRIC},
                    "ScaleInCooldown": _COOL_DOWN_S,
                    "ScaleOutCooldown": _COOL_DOWN_S,
                },
            )

    def forget_autoscaling(self) -> None:
        """Leave the number as it is. An endpoint that is deleted would leave the policy and its alarms behind."""
        if self._autoscaling() is None:
            return
        try:
            with translating(f"stop scaling '{self._name}' automatically"):
                self._autoscaler.deregister_scalable_target(**self._resource)
        except NotFoundError:
            return

    def _autoscaling(self) -> Autoscaling | None:
        with translating(f"look at the scaling of '{self._name}'"):
            reader = self._aws.client("application-autoscaling")
            targets = reader.describe_scalable_targets(
                ServiceNamespace=_NAMESPACE,
                ResourceIds=[self._resource["ResourceId"]],
                ScalableDimension=_DIMENSION,
            )["ScalableTargets"]
            if not targets:
                return None
            policies = reader.describe_scaling_policies(**self._resource)["ScalingPolicies"]
        per_minute = 0
        if policies:
            per_minute = round(policies[0]["TargetTrackingScalingPolicyConfiguration"]["TargetValue"])
        return Autoscaling(minimum=targets[0]["MinCapacity"], maximum=targets[0]["MaxCapacity"], per_minute=per_minute)


def _conforms(adapter: SageMakerFleets) -> Fleets:
    return adapter
