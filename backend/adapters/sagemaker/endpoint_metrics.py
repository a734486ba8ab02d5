"""What CloudWatch counts and times of an endpoint, in two calls.

https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
`ModelLatency` is what the container took, in microseconds; `OverheadLatency` what SageMaker added around it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from backend.adapters.sagemaker.errors import translating
from backend.adapters.sagemaker.serving_requests import VARIANT
from backend.adapters.sagemaker.session import Aws
from backend.domain.serving import EndpointMetrics
from backend.domain.traffic import Sample

_REQUESTS: Final = "AWS/SageMaker"
_MACHINES: Final = "/aws/sagemaker/Endpoints"
_MINUTE: Final = 60
_HOUR: Final = 3600
_RECENT: Final = timedelta(minutes=3)
"""The newest whole minute that CloudWatch has is up to two minutes old."""
_QUANTILES: Final = ("p50", "p95", "p99")
_GIB: Final = {"large": 8, "xlarge": 16, "2xlarge": 32, "4xlarge": 64, "8xlarge": 128, "12xlarge": 192}
"""Memory of the m and g families, https://aws.amazon.com/sagemaker/pricing; c has half of it, r twice."""
_GIB_PER_CORE: Final = 4
"""Of the m and g families: the sizes have as many cores in every family."""
_FAMILY_SHARE: Final = {"m": 1.0, "g": 1.0, "c": 0.5, "r": 2.0}


def measured(
    aws: Aws, endpoint: str, *, version: int, since: datetime, now: datetime, instance_type: str
) -> EndpointMetrics:
    """Counts since `since`, quantiles and the machine of the newest minute; two GetMetricData calls."""
    end = now + timedelta(seconds=_MINUTE)  # the minute that is running counts
    totals = _read(aws, endpoint, total_queries(endpoint, now - since), since - timedelta(seconds=_MINUTE), end)
    newest = _read(aws, endpoint, newest_queries(endpoint), now - _RECENT, end)
    requests, failed = (round(sum(totals[name])) for name in ("requests", "failed"))
    cpu, memory, p50, p95, p99 = (newest[name][-1] if newest[name] else None for name in ("cpu", "memory", *_QUANTILES))
    there = memory_of(instance_type)
    return EndpointMetrics(
        at=now,
        version=version,
        requests=requests - failed,
        failed=failed,
        mean_batch=None,
        p50_ms=_milliseconds(p50),
        p95_ms=_milliseconds(p95),
        p99_ms=_milliseconds(p99),
        queue_ms=None,
        compute_ms=sum(totals["model_us"]) / requests / 1000 if requests else None,
        cpu=share_of_cores(cpu, instance_type),
        memory_used=None if memory is None or there is None else round(memory / 100 * there),
        memory_total=None if memory is None else there,
        told_by="CloudWatch",
        remark="They come a minute late; refused requests are not among the errors.",
    )


def history(
    aws: Aws, endpoint: str, *, start: datetime, end: datetime, step: timedelta, instance_type: str
) -> Sequence[Sample]:
    """A sample for each step in which CloudWatch has anything, oldest first; one GetMetricData call, with its pages."""
    period = int(step.total_seconds())
    points = _read_points(aws, endpoint, history_queries(endpoint, period), start, end)
    moments = sorted({moment for name in points for moment in points[name]})
    return [_sample({name: points[name].get(at) for name in points}, at, step, instance_type) for at in moments]


def last_invocation(aws: Aws, endpoint: str, *, start: datetime, end: datetime) -> datetime | None:
    """The end of the newest minute in which the endpoint was asked."""
    query = _query(endpoint, "requests", "Invocations", "Sum", _MINUTE)
    asked = _read_points(aws, endpoint, [query], start, end)["requests"]
    newest = max((at for at, count in asked.items() if count), default=None)
    return None if newest is None else newest + timedelta(seconds=_MINUTE)


def history_queries(endpoint: str, period_s: int) -> Sequence[dict[str, Any]]:
    return [
        _query(endpoint, "requests", "Invocations", "Sum", period_s),
        _query(endpoint, "failed", "Invocation5XXErrors", "Sum", period_s),
        *(_query(endpoint, quantile, "ModelLatency", quantile, period_s) for quantile in _QUANTILES),
        _query(endpoint, "compute", "ModelLatency", "Average", period_s),
        _query(endpoint, "cpu", "CPUUtilization", "Average", period_s, _MACHINES),
        _query(endpoint, "memory", "MemoryUtilization", "Average", period_s, _MACHINES),
    ]


def _sample(values: Mapping[str, float | None], begun: datetime, step: timedelta, instance_type: str) -> Sample:
    requests, failed = (round(values[name] or 0) for name in ("requests", "failed"))
    memory = values["memory"]
    return Sample(
        at=begun + step,
        seconds=step.total_seconds(),
        version=0,
        requests=requests - failed,
        failed=failed,
        p50_ms=_milliseconds(values["p50"]),
        p95_ms=_milliseconds(values["p95"]),
        p99_ms=_milliseconds(values["p99"]),
        compute_ms=_milliseconds(values["compute"]),
        cpu=share_of_cores(values["cpu"], instance_type),
        memory=None if memory is None else min(memory / 100, 1.0),
    )


def total_queries(endpoint: str, age: timedelta) -> Sequence[dict[str, Any]]:
    """Sums over the whole age of what serves, in periods that grow with it: CloudWatch keeps minutes for 15 days and
    hours for 455.
    """
    period = _MINUTE if age < timedelta(days=1) else _HOUR
    return [
        _query(endpoint, "requests", "Invocations", "Sum", period),
        _query(endpoint, "failed", "Invocation5XXErrors", "Sum", period),
        _query(endpoint, "model_us", "ModelLatency", "Sum", period),
    ]


def newest_queries(endpoint: str) -> Sequence[dict[str, Any]]:
    """Single minutes of what changes fast."""
    return [
        *(_query(endpoint, quantile, "ModelLatency", quantile, _MINUTE) for quantile in _QUANTILES),
        _query(endpoint, "cpu", "CPUUtilization", "Average", _MINUTE, _MACHINES),
        _query(endpoint, "memory", "MemoryUtilization", "Average", _MINUTE, _MACHINES),
    ]


def _query(
    endpoint: str, name: str, metric: str, statistic: str, period_s: int, namespace: str = _REQUESTS
) -> dict[str, Any]:
    dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": VARIANT}]
    which = {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions}
    return {"Id": name, "MetricStat": {"Metric": which, "Period": period_s, "Stat": statistic}}


def _read(
    aws: Aws, endpoint: str, queries: Sequence[dict[str, Any]], start: datetime, end: datetime
) -> dict[str, list[float]]:
    """Each query's values, oldest first."""
    points = _read_points(aws, endpoint, queries, start, end)
    return {name: [found[at] for at in sorted(found)] for name, found in points.items()}


def _read_points(
    aws: Aws, endpoint: str, queries: Sequence[dict[str, Any]], start: datetime, end: datetime
) -> dict[str, dict[datetime, float]]:
    """Each query's values by the beginning of their period, page after page."""
    points: dict[str, dict[datetime, float]] = {query["Id"]: {} for query in queries}
    with translating(f"read the metrics of '{endpoint}'"):
        pages = (
            aws.cloudwatch()
            .get_paginator("get_metric_data")
            .paginate(
                MetricDataQueries=queries,  # type: ignore[arg-type]
                StartTime=start,
                EndTime=end,
                ScanBy="TimestampAscending",
            )
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                moments = (at.astimezone(UTC) for at in result["Timestamps"])
                points[result["Id"]] |= zip(moments, result["Values"], strict=True)
    return points


def share_of_cores(percent: float | None, instance_type: str) -> float | None:
    """A share of the whole machine from CloudWatch's `CPUUtilization`, which adds up its cores: 200 is all of two.

    None for a type whose cores we do not know.
    """
    _, _, rest = instance_type.partition("ml.")
    gib = _GIB.get(rest.partition(".")[2])
    return None if percent is None or gib is None else min(percent / 100 / (gib / _GIB_PER_CORE), 1.0)


def memory_of(instance_type: str) -> int | None:
    """Bytes of memory of `ml.<family><generation>.<size>`; None for a type that we do not know."""
    _, _, rest = instance_type.partition("ml.")
    family, _, size = rest.partition(".")
    share = _FAMILY_SHARE.get(family[:1])
    gib = _GIB.get(size)
    return None if share is None or gib is None else round(share * gib * 2**30)


def _milliseconds(microseconds: float | None) -> float | None:
    return None if microseconds is None else microseconds / 1000
