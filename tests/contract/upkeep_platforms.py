"""Where traffic, answers, logs and lifetimes come from on each platform, and how something gets there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend.adapters.local.database import Database
from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.endpoint_logs import LocalServerLogs
from backend.adapters.local.home import Home
from backend.adapters.local.lifetimes import LocalLifetimes
from backend.adapters.local.tallies import LocalTallies
from backend.adapters.local.traffic import LocalTraffic
from backend.adapters.sagemaker.endpoint_logs import CloudWatchServerLogs
from backend.adapters.sagemaker.endpoint_traffic import CloudWatchTraffic
from backend.adapters.sagemaker.lifetimes import S3Lifetimes
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.tallies import S3Tallies
from backend.domain.serving import Stage
from backend.domain.traffic import Sample
from backend.ports.upkeep import Tallies
from backend.wiring.platform import Upkeep
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.hosted import INSTANCE

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """It is noon. `saw` makes a minute of traffic: stage, when it ended, requests, failed, milliseconds of each;
    `wrote` a line of a server's log; `elsewhere` is another process that counts answers.
    """

    upkeep: Upkeep
    saw: Callable[[Stage, datetime, int, int, float], None]
    wrote: Callable[[Stage, Sequence[str]], None]
    elsewhere: Callable[[], Tallies]


@pytest.fixture(params=["local", pytest.param("sagemaker", marks=pytest.mark.processes)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Nothing has happened yet."""
    if request.param == "sagemaker":
        return _on_aws(request.getfixturevalue("aws"))
    database = Database(Home(tmp_path).database)
    traffic = LocalTraffic(database, lambda: NOON)

    def saw(stage: Stage, at: datetime, requests: int, failed: int, latency_ms: float) -> None:
        traffic.keep(
            stage,
            Sample(
                at=at,
                seconds=60.0,
                version=1,
                requests=requests,
                failed=failed,
                p50_ms=latency_ms,
                p95_ms=latency_ms,
                p99_ms=latency_ms,
                compute_ms=latency_ms,
                cpu=0.125,
                memory=0.3,
            ),
        )

    def wrote(stage: Stage, lines: Sequence[str]) -> None:
        folder = EndpointFolder(tmp_path, stage)
        folder.root.mkdir(parents=True)
        folder.triton_log.write_text("".join(f"{line}\n" for line in lines))

    return Bench(
        upkeep=Upkeep(
            traffic=traffic,
            tallies=LocalTallies(database, lambda: NOON),
            logs=LocalServerLogs(tmp_path),
            lifetimes=LocalLifetimes(tmp_path),
        ),
        saw=saw,
        wrote=wrote,
        elsewhere=lambda: LocalTallies(Database(Home(tmp_path).database), lambda: NOON),
    )


def _on_aws(fake: FakeAws) -> Bench:
    aws = fake.connect()

    def saw(stage: Stage, at: datetime, requests: int, failed: int, latency_ms: float) -> None:
        begun = (at - timedelta(minutes=1)).replace(tzinfo=None)  # moto keeps its times without a zone
        where = [
            {"Name": "EndpointName", "Value": stage.endpoint_name},
            {"Name": "VariantName", "Value": "AllTraffic"},
        ]

        def put(namespace: str, **values: float) -> None:
            data = [
                {"MetricName": name, "Value": value, "Timestamp": begun, "Dimensions": where}
                for name, value in values.items()
            ]
            aws.cloudwatch("write").put_metric_data(Namespace=namespace, MetricData=data)  # type: ignore[arg-type]

        put(
            "AWS/SageMaker",
            Invocations=requests + failed,
            Invocation5XXErrors=failed,
            ModelLatency=latency_ms * 1000,
        )
        put("/aws/sagemaker/Endpoints", CPUUtilization=25.0, MemoryUtilization=30.0)

    def wrote(stage: Stage, lines: Sequence[str]) -> None:
        group, stream = f"/aws/sagemaker/Endpoints/{stage.endpoint_name}", "AllTraffic/i-0123"
        aws.logs.create_log_group(logGroupName=group)
        aws.logs.create_log_stream(logGroupName=group, logStreamName=stream)
        begun = int(datetime.now(UTC).timestamp() * 1000)
        events = [{"timestamp": begun + number, "message": line} for number, line in enumerate(lines)]
        aws.logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)  # type: ignore[arg-type]

    return Bench(
        upkeep=Upkeep(
            traffic=CloudWatchTraffic(aws, instance_type=INSTANCE, clock=lambda: NOON),
            tallies=S3Tallies(Bucket(aws), clock=lambda: NOON, flush_s=0.01),
            logs=CloudWatchServerLogs(aws),
            lifetimes=S3Lifetimes(Bucket(aws)),
        ),
        saw=saw,
        wrote=wrote,
        elsewhere=lambda: S3Tallies(Bucket(fake.connect()), clock=lambda: NOON, flush_s=0.01),
    )
