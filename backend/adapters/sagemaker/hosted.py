"""One endpoint of SageMaker: looked at, created, changed, waited for, deleted. What it serves is not judged here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from backend.adapters.sagemaker.errors import BusyError, TakenError, translating
from backend.adapters.sagemaker.serving_requests import tagging
from backend.adapters.sagemaker.session import Aws
from backend.errors import (
    AccessError,
    DeploymentFailedError,
    EndpointUnavailableError,
    NotFoundError,
    PlatformError,
    SetupError,
)

IN_SERVICE: Final = "InService"
ROLLBACK_FAILED: Final = "UpdateRollbackFailed"
UNDER_WAY: Final = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
ANSWERING: Final = (IN_SERVICE, "Updating", "SystemUpdating", "RollingBack", ROLLBACK_FAILED)
_POLL_S: Final = 10.0
_SOONER_AT_FIRST: Final = 8
"""A fleet takes minutes; scaling down or a refusal shows in seconds."""
_CONSISTENT_WITHIN: Final = 6
"""Looks for a config that was created a moment ago: SageMaker may not find it at once."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """The endpoint at one moment. `pending` is the config that it is changed to, `reason` SageMaker's own words."""

    status: str
    config: str
    changed: datetime
    pending: str = ""
    reason: str = ""
    instances: int = 0
    desired: int = 0

    @property
    def answers(self) -> bool:
        return self.status in ANSWERING


class HostedEndpoint:
    """The endpoint called `name`. `pause` sleeps between two looks; tests need not wait."""

    def __init__(
        self,
        aws: Aws,
        name: str,
        *,
        tags: Mapping[str, str] | None = None,
        poll_s: float = _POLL_S,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._aws = aws
        self.name = name
        self._tags = tags or {}
        self._poll_s = poll_s
        self._pause = pause

    def look(self) -> Look | None:
        """None when there is no such endpoint."""
        try:
            with translating(f"describe the endpoint '{self.name}'"):
                told = self._aws.sagemaker().describe_endpoint(EndpointName=self.name)
        except NotFoundError:
            return None
        return _look(told)

    def settle(self, within_s: float) -> Look | None:
        """Wait until nothing is under way; None when there is no endpoint then.

        Being throttled, or cut off from AWS for a while, says nothing of the endpoint: it is asked again. Raises
        `AccessError` when AWS does not take the credentials any more, `EndpointUnavailableError` after `within_s`.
        """
        deadline = time.monotonic() + within_s
        pause = self._poll_s / _SOONER_AT_FIRST
        status = "unknown"
        while True:
            try:
                look = self.look()
                if look is None or look.status not in UNDER_WAY:
                    return look
                status = look.status
            except AccessError as error:
                raise AccessError(
                    f"{error.message} SageMaker goes on with '{self.name}' by itself; it was {status} when last seen.",
                    hint=f"{error.hint} Then look at the endpoint; promoting again finishes what is left.",
                ) from error
            except SetupError:
                raise
            except PlatformError as error:
                status = f"{status} ({error.message})"[:200]
            if time.monotonic() > deadline:
                raise EndpointUnavailableError(
                    f"'{self.name}' is still {status} after {within_s:.0f} s.",
                    hint="SageMaker goes on by itself. Look at the endpoint again later.",
                )
            self._pause(pause)
            pause = min(2 * pause, self._poll_s)

    def create(self, config: str) -> None:
        """Begin to create it. Raises `EndpointUnavailableError` when somebody else did so in this moment."""
        try:
            self._once_consistent(
                f"create the endpoint '{self.name}'",
                lambda: self._aws.sagemaker("write").create_endpoint(
                    EndpointName=self.name,
                    EndpointConfigName=config,
                    **tagging(self._tags),
                ),
            )
        except TakenError as error:
            look = self.look()
            if look is None or look.config != config:  # else our first attempt arrived; only its answer was lost
                raise self._changed_elsewhere(look) from error

    def update(self, config: str, deployment: Mapping[str, Any], *, retains: bool = True) -> None:
        """Begin to change it to `config`. Raises as `create`. Instances that were added or removed since stay so; if it
        `retains` none, there are as many as the config says.
        """
        try:
            self._once_consistent(
                f"update the endpoint '{self.name}'",
                lambda: self._aws.sagemaker("write").update_endpoint(
                    EndpointName=self.name,
                    EndpointConfigName=config,
                    RetainAllVariantProperties=retains,
                    DeploymentConfig=deployment,  # type: ignore[arg-type]
                ),
            )
        except BusyError as error:
            look = self.look()
            if look is None or look.pending != config:
                raise self._changed_elsewhere(look) from error

    def delete(self, within_s: float) -> None:
        """Delete it and wait until it is gone; what is under way is waited for first. Nothing where there is none."""
        if self.settle(within_s) is None:
            return
        try:
            with translating(f"delete the endpoint '{self.name}'"):
                self._aws.sagemaker("write").delete_endpoint(EndpointName=self.name)
        except NotFoundError:
            return
        left = self.settle(within_s)
        if left is not None:
            raise DeploymentFailedError(
                f"'{self.name}' could not be deleted: it is {left.status}. {left.reason}".strip()
            )

    def _once_consistent(self, doing: str, call: Callable[[], object]) -> None:
        for attempt in range(_CONSISTENT_WITHIN):
            try:
                with translating(doing):
                    call()
                return
            except NotFoundError as error:
                if attempt == _CONSISTENT_WITHIN - 1:
                    raise DeploymentFailedError(error.message) from error
                self._pause(self._poll_s / 5)

    def _changed_elsewhere(self, look: Look | None) -> EndpointUnavailableError:
        state = f"{look.status} with '{look.pending or look.config}'" if look else "gone"
        return EndpointUnavailableError(
            f"'{self.name}' is being changed by something else: it is {state}.",
            hint="Find out who changes it past this product, and deploy again when it has settled.",
        )


def _look(told: Mapping[str, Any]) -> Look:
    variants = told.get("ProductionVariants") or [{}]
    return Look(
        status=told["EndpointStatus"],
        config=told.get("EndpointConfigName", ""),
        changed=told["LastModifiedTime"].astimezone(UTC),
        pending=told.get("PendingDeploymentSummary", {}).get("EndpointConfigName", ""),
        reason=told.get("FailureReason", ""),
        instances=variants[0].get("CurrentInstanceCount", 0),
        desired=variants[0].get("DesiredInstanceCount", 0),
    )
