"""The serving half of the fake account: models, registry, endpoints, what answers on them, quotas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.cloudwatch import models as cloudwatch
from moto.s3.models import s3_backends

from tests.fakes.aws.endpoints import Endpoints
from tests.fakes.aws.models import ModelPackages, ModelsAndConfigs
from tests.fakes.aws.server import Server, page
from tests.fakes.aws.training import ACCOUNT, REGION
from tests.fakes.aws.triton import Triton, metric_data


class Quotas:
    """A part of Service Quotas: hundreds, on pages of which the one that is looked for is never the first."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}

    def reset(self) -> None:
        self.values.clear()

    def list_service_quotas(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        names = [f"ml.x{number}.large for notebook usage" for number in range(150)] + list(self.values)
        entries = [
            {
                "ServiceCode": "sagemaker",
                "QuotaName": name,
                "QuotaCode": f"L-{number:08X}",
                "Value": float(self.values.get(name, 0)),
                "Adjustable": True,
            }
            for number, name in enumerate(names)
        ]
        return page(entries, asked, "Quotas", default=100)


class ServingParts:
    """Adds itself to the server; `reset` makes it an account in which nothing serves."""

    def __init__(self, server: Server) -> None:
        _teach_moto_quantiles()
        self.kept = ModelsAndConfigs(_has_object)
        self.packages = ModelPackages()
        self.triton = Triton(_fetch, _count)
        self.endpoints = Endpoints(self.kept, self.triton.starts, _alarmed)
        self.triton.endpoints = self.endpoints
        for part in (self.kept, self.packages):
            part.tag = lambda resource, tags: self.endpoints.tag(resource, tags)
        self.quotas = Quotas()
        server.parts["sagemaker"] += [self.kept, self.packages, self.endpoints]
        server.parts["service-quotas"] = [self.quotas]
        server.runtime = self.triton

    def reset(self) -> None:
        for part in (self.kept, self.packages, self.triton, self.endpoints, self.quotas):
            part.reset()

    def limit_instances(self, instance_type: str, instances: int) -> None:
        """Both what SageMaker enforces and what Service Quotas tells."""
        self.endpoints.quotas[instance_type] = instances
        self.quotas.values[f"{instance_type} for endpoint usage"] = instances


def set_alarm(name: str, state: str, reason: str = "Threshold Crossed") -> None:
    cloudwatch.cloudwatch_backends[ACCOUNT][REGION].set_alarm_state(name, reason, "{}", state)


def overwrite(uri: str, content: bytes) -> None:
    """Past the product, and past every condition."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    s3_backends[ACCOUNT]["aws"].put_object(bucket, key, content)


def _has_object(uri: str) -> bool:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return s3_backends[ACCOUNT]["aws"].head_object(bucket, key) is not None


def _fetch(uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    found = s3_backends[ACCOUNT]["aws"].get_object(bucket, key)
    assert found is not None, f"there is no {uri}"
    return bytes(found.value)


def _count(endpoint: str, microseconds: float) -> None:
    backend = cloudwatch.cloudwatch_backends[ACCOUNT][REGION]
    for namespace, data in metric_data(endpoint, microseconds):
        backend.put_metric_data(namespace, data)


def _alarmed(names: tuple[str, ...]) -> list[str]:
    alarms = cloudwatch.cloudwatch_backends[ACCOUNT][REGION].alarms
    return [name for name in names if name in alarms and alarms[name].state_value == "ALARM"]


def _teach_moto_quantiles() -> None:
    """moto 5.2 answers 500 to the statistic p95, which CloudWatch has had for years."""
    told = cloudwatch.Statistics.get_statistics_for_type
    if getattr(told, "knows_quantiles", False):
        return

    def get_statistics_for_type(self: Any, stat: str) -> Any:
        if stat.startswith("p"):
            values = sorted(self.metric_single_values_list)
            return values[min(len(values) - 1, int(float(stat[1:]) / 100 * len(values)))] if values else None
        return told(self, stat)

    get_statistics_for_type.knows_quantiles = True  # type: ignore[attr-defined]
    cloudwatch.Statistics.get_statistics_for_type = get_statistics_for_type  # type: ignore[method-assign]
