"""The history of the stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from backend.domain.promotion import Deployment
from backend.domain.serving import Stage


class DeploymentStore(Protocol):
    def save(self, deployment: Deployment) -> None:
        """Insert the deployment, or replace the record with the same id; a finished record never changes again."""
        ...

    def get(self, deployment_id: str) -> Deployment:
        """Raises `NotFoundError`."""
        ...

    def of_version(self, stage: Stage, version: int) -> Sequence[Deployment]:
        """Those of one version, newest first, to the stage and to every endpoint that ever stood beside it."""
        ...

    def history(self, stage: Stage | None = None) -> Sequence[Deployment]:
        """Deployments, newest first, of one stage or all; empty when there are none."""
        ...
