"""From the repository to a stage: where an archive is deployed, and what came of it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from backend.domain.drift import Difference
from backend.domain.gates import GateResult, StagingLook
from backend.domain.model_config import ModelConfig
from backend.domain.promotion import Deployment, DeploymentPlan
from backend.domain.registry import ModelVersion
from backend.domain.serving import Stage
from backend.errors import DigitsError, InvalidInputError

USUAL_LIFE: Final = timedelta(hours=72)
"""Of an endpoint beside a stage that does not say when it expires."""
EXPIRES: Final = "digits-expires"
"""The tag that says so: an ISO time in UTC."""
_OWN: Final = "declared"
_TAG: Final = re.compile(r"[\w .:/=+@-]{1,128}")


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where, and on what, an archive is to serve.

    `suffix` empty is the stage's own endpoint, else one beside it (`<name>-<suffix>-<stage>`). `image` empty is the
    platform's own. A platform that has no choice takes no notice of `tags`, `image`, `instance_type` and `instances`.
    """

    stage: Stage
    suffix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    instance_type: str = ""
    instances: int = 1


@dataclass(frozen=True, kw_only=True)
class NamedEndpoint:
    """An endpoint beside a stage, or what is left of one. `expires` as it says, else `USUAL_LIFE` after `created`."""

    stage: Stage
    suffix: str
    name: str
    created: datetime
    expires: datetime


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What came of a delivery, good or bad: whatever was not reached is None or empty.

    `changes` are the fields that differ from before (None where nobody asked), `hosting` is how the endpoint ran
    otherwise than declared when it was planned for. `gates` are the stage's own, `ahead`
    what prod's say of the version while it serves on staging. `look` is what the endpoint said about known digits,
    `taken_back` the rollback that followed when that was bad. `trouble` are sentences about what went otherwise than
    hoped and stopped nothing, `error` is what stopped it.
    """

    stage: Stage
    endpoint: str
    config: ModelConfig
    changes: tuple[Difference, ...] | None = None
    version: ModelVersion | None = None
    hosting: tuple[Difference, ...] = ()
    plan: DeploymentPlan | None = None
    deployment: Deployment | None = None
    gates: tuple[GateResult, ...] = ()
    ahead: tuple[GateResult, ...] = ()
    look: StagingLook | None = None
    taken_back: Deployment | None = None
    trouble: tuple[str, ...] = ()
    error: DigitsError | None = None

    @property
    def skipped(self) -> bool:
        """Nothing that matters has changed."""
        return self.changes == ()


def delivery_id(placement: Placement, version: int) -> str:
    """An id for the record that tells whose it is: `pr12-1a2b3c4-staging-v7-...`, `declared-prod-v7-...`."""
    return f"{placement.suffix or _OWN}-{placement.stage.value}-v{version}-{secrets.token_hex(4)}"


def is_delivery(deployment_id: str, stage: Stage) -> bool:
    """Whether a delivery made the record, and not a promotion by page or command."""
    return not deployment_id.startswith(f"{stage.value}-v")


def delivered_under(deployment_id: str, stage: Stage) -> str:
    """The name suffix that the delivery was asked for under; empty for the stage's own, and where none made it."""
    suffix, found, _ = deployment_id.partition(f"-{stage.value}-v")
    return suffix if found and suffix != _OWN else ""


def pull_request_suffix(number: int) -> re.Pattern[str]:
    """What the name suffixes of a pull request's endpoints fit: `pr12`, `pr12-1a2b3c4`, never `pr123`."""
    return re.compile(rf"pr{number}(-.+)?")


def read_tags(pairs: list[str]) -> dict[str, str]:
    """What `--tag K=V` says. Raises `InvalidInputError` for what AWS would not take."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not _TAG.fullmatch(key) or not (value == "" or _TAG.fullmatch(value)):
            raise InvalidInputError(
                f"--tag is '{pair[:200]}'; expected KEY=VALUE, each of at most 128 letters, digits and _.:/=+-@ ."
            )
        found[key] = value
    return found
