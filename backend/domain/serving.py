"""Stages, what they should serve and what they do serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from backend.domain.drift import Difference

ENDPOINT_NAME: Final = "digit-classification"
TRITON_MODEL: Final = "mnist"


class Stage(Enum):
    STAGING = "staging"
    PROD = "prod"

    @property
    def endpoint_name(self) -> str:
        return f"{ENDPOINT_NAME}-{self.value}"


class EndpointStatus(Enum):
    """SageMaker's words, plus `NotDeployed` and `Unknown`: not reaching an endpoint is not knowing that it failed."""

    NOT_DEPLOYED = "NotDeployed"
    CREATING = "Creating"
    UPDATING = "Updating"
    IN_SERVICE = "InService"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """Which version answers, and the SHA-256 of the archive it came from."""

    version: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One stage as its platform sees it now.

    `wanted` is what the last finished deployment asked for, `served` what answers now (None: nothing does, or it
    cannot be told). `url` is the base address of Triton's HTTP API, empty where there is none to call.
    `detail` explains any status but `InService` in a sentence. `drift` is what somebody changed past the deployments:
    empty while all is as it should be, while a deployment is at work, and where nothing answers. `hosting` is how what
    serves runs otherwise than was declared for it; empty where nothing was. `called` is its name where that is not the
    stage's own. `external` says what cannot be done from here because somebody else runs its server, in sentences for
    the operator; empty for a server of the platform's own. `hosted` is what it runs on, by the model configuration's
    keys; empty where the platform has no choice.
    """

    stage: Stage
    status: EndpointStatus
    wanted: ServedModel | None = None
    served: ServedModel | None = None
    url: str = ""
    since: datetime | None = None
    detail: str = ""
    drift: tuple[Difference, ...] = ()
    hosting: tuple[Difference, ...] = ()
    called: str = ""
    external: str = ""
    hosted: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.called or self.stage.endpoint_name

    @property
    def address(self) -> str:
        """Where it is asked: its Triton's, or its name where the platform passes requests on."""
        return self.url or self.name

    @property
    def current(self) -> ServedModel | None:
        """What the stage stands for now: what it serves or, while it answers nothing, what it should."""
        return self.served or self.wanted

    @property
    def in_step(self) -> bool:
        return self.wanted == self.served and not self.drift


@dataclass(frozen=True, kw_only=True)
class EndpointMetrics:
    """What the server of a stage counts and times by itself, at one moment.

    `requests` and `failed` count since `version` was loaded. Refused requests (a wrong shape, no JSON) are
    in neither: Triton counts them nowhere. The quantiles are of the last minute, on the server, without the network;
    None when nothing was asked in it. `queue_ms` and `compute_ms` are means per request since the version was loaded,
    None before the first. `cpu` (0 to 1) and the memory, in bytes, are of the whole machine; None until the server,
    which looks every two seconds, has looked. `told_by` counted, and `remark` is what must be known about its counting.
    """

    at: datetime
    version: int
    requests: int
    failed: int
    mean_batch: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    queue_ms: float | None
    compute_ms: float | None
    cpu: float | None
    memory_used: int | None
    memory_total: int | None
    told_by: str = "Triton"
    remark: str = "The supervisor's own checks are among them; a request that Triton refused is counted nowhere."


def requests_per_second(before: EndpointMetrics, after: EndpointMetrics) -> float | None:
    """The rate of answered requests between two looks; None when they cannot be compared.

    They cannot across a switch or a restart of the server (it counts from zero again), nor at the same moment.
    """
    seconds = (after.at - before.at).total_seconds()
    requests = after.requests - before.requests
    if seconds <= 0 or requests < 0 or before.version != after.version:
        return None
    return requests / seconds
