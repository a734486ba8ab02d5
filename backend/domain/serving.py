"""Stages, what they should serve and what they do serve."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

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
    `detail` explains any status but `InService` in a sentence.
    """

    stage: Stage
    status: EndpointStatus
    wanted: ServedModel | None = None
    served: ServedModel | None = None
    url: str = ""
    since: datetime | None = None
    detail: str = ""

    @property
    def name(self) -> str:
        return self.stage.endpoint_name

    @property
    def current(self) -> ServedModel | None:
        """What the stage stands for now: what it serves or, while it answers nothing, what it should."""
        return self.served or self.wanted

    @property
    def in_step(self) -> bool:
        return self.wanted == self.served
