"""CloudWatch alarms that make SageMaker go back by itself while traffic moves to a new fleet.

Two per endpoint: requests that end in an error of the model, and a model that answers slowly. A deployment names those
that exist; without any, SageMaker goes back only when the new fleet does not start at all. The execution role must be
allowed `cloudwatch:DescribeAlarms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from backend.adapters.sagemaker.errors import translating
from backend.adapters.sagemaker.hosted import Look
from backend.adapters.sagemaker.serving_requests import VARIANT
from backend.adapters.sagemaker.session import Aws
from backend.errors import DigitsError

ERRORS: Final = "errors"
LATENCY: Final = "latency"
_PERIOD_S: Final = 60
_SLOW_US: Final = 500_000.0
"""Half a second for a model that takes a millisecond: a sign of a sick fleet, not of load."""


def alarm_names(endpoint: str) -> tuple[str, str]:
    return f"{endpoint}-{ERRORS}", f"{endpoint}-{LATENCY}"


def alarm_requests(endpoint: str) -> Sequence[dict[str, Any]]:
    """PutMetricAlarm for both; no data (nobody asks) is no alarm."""
    shared: dict[str, Any] = {
        "Namespace": "AWS/SageMaker",
        "Dimensions": [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": VARIANT}],
        "Period": _PERIOD_S,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    errors, latency = alarm_names(endpoint)
    return (
        {
            **shared,
            "AlarmName": errors,
            "AlarmDescription": "Requests that the model answered with a server error.",
            "MetricName": "Invocation5XXErrors",
            "Statistic": "Sum",
            "Threshold": 0.0,
        },
        {
            **shared,
            "AlarmName": latency,
            "AlarmDescription": "The slowest hundredth of the model's answers takes more than half a second.",
            "MetricName": "ModelLatency",
            "ExtendedStatistic": "p99",
            "Threshold": _SLOW_US,
        },
    )


class Alarms:
    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def existing(self, endpoint: str) -> Sequence[str]:
        """Which of the endpoint's alarms there are."""
        return [alarm["AlarmName"] for alarm in self._described(endpoint)]

    def create(self, endpoint: str) -> Sequence[str]:
        """Create both, or set them to what they should be; their names."""
        for request in alarm_requests(endpoint):
            with translating(f"create the alarm '{request['AlarmName']}'"):
                self._aws.cloudwatch("write").put_metric_alarm(**request)
        return alarm_names(endpoint)

    def delete(self, endpoint: str) -> None:
        with translating(f"delete the alarms of '{endpoint}'"):
            self._aws.cloudwatch("write").delete_alarms(AlarmNames=self.existing(endpoint))

    def why(self, endpoint: str, look: Look) -> str:
        """Why SageMaker went back: in its own words where it has any, else by the alarms that are on."""
        if look.reason:
            return look.reason
        try:
            on = [alarm for alarm in self._described(endpoint) if alarm["StateValue"] == "ALARM"]
        except DigitsError as error:
            return f"SageMaker gives no reason, and the alarms cannot be looked at: {error.message}"
        if on:
            return "; ".join(f"the alarm '{alarm['AlarmName']}' went off: {alarm['StateReason']}" for alarm in on)[:600]
        return (
            "SageMaker gives no reason, and no alarm is on. The new fleet may not have started: see CloudWatch's log "
            f"group /aws/sagemaker/Endpoints/{endpoint}."
        )

    def _described(self, endpoint: str) -> Sequence[Any]:
        with translating(f"look at the alarms of '{endpoint}'"):
            return self._aws.cloudwatch().describe_alarms(AlarmNames=list(alarm_names(endpoint)))["MetricAlarms"]
