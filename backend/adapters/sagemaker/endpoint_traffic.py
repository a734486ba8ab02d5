"""The traffic of the stages as CloudWatch has it: it keeps minutes for 15 days, with nobody looking."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from backend.adapters.sagemaker.endpoint_metrics import history, last_invocation
from backend.adapters.sagemaker.hosted import HostedEndpoint
from backend.adapters.sagemaker.names import endpoint_name
from backend.adapters.sagemaker.served import Configs
from backend.adapters.sagemaker.session import Aws
from backend.domain.serving import Stage
from backend.domain.traffic import KEPT, Sample, Span
from backend.ports.clock import Clock
from backend.ports.upkeep import Traffic


def _utc_now() -> datetime:
    return datetime.now(UTC)


class CloudWatchTraffic:
    """`Traffic` of the account. `instance_type` is what an endpoint that is gone is taken to have run on."""

    source = (
        "CloudWatch's numbers, a minute late. The times are of the container, without the network; Triton's queue is "
        "within them and not told apart. CPU and memory are means over the instances."
    )

    def __init__(self, aws: Aws, *, instance_type: str, clock: Clock = _utc_now) -> None:
        self._aws = aws
        self._clock = clock
        self._instance_type = instance_type
        self._configs = Configs(aws)
        self._hosted = {stage: HostedEndpoint(aws, endpoint_name(stage), poll_s=1.0) for stage in Stage}

    def samples(self, stage: Stage, span: Span) -> Sequence[Sample]:
        step_s = span.step.total_seconds()
        # CloudWatch gives whole periods: those that begin within the span, the running one among them.
        end = datetime.fromtimestamp((self._clock().timestamp() // step_s + 1) * step_s, UTC)
        return history(
            self._aws,
            self._hosted[stage].name,
            start=end - span.length,
            end=end,
            step=span.step,
            instance_type=self._type_of(stage),
        )

    def last_request(self, stage: Stage) -> datetime | None:
        now = self._clock()
        return last_invocation(self._aws, self._hosted[stage].name, start=now - KEPT, end=now)

    def _type_of(self, stage: Stage) -> str:
        look = self._hosted[stage].look()
        config = self._configs.read(look.config) if look is not None and look.answers else None
        return config.instance_type if config is not None else self._instance_type


def _conforms(adapter: CloudWatchTraffic) -> Traffic:
    return adapter
