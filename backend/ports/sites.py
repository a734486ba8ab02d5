"""Where archives can be made to serve: the stages' own endpoints, and endpoints beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from backend.domain.capabilities import Unsupported
from backend.domain.delivery import NamedEndpoint, Placement
from backend.domain.serving import Stage
from backend.ports.deployments import DeploymentStore
from backend.ports.serving import ServingPlatform


@dataclass(frozen=True, kw_only=True)
class Site:
    """The placement's stage is its endpoint, the other stage is itself; `deployments` has the records likewise."""

    serving: ServingPlatform
    deployments: DeploymentStore


class Sites(Protocol):
    unsupported: Unsupported
    """Where `Feature.NAMED_ENDPOINTS` is, a placement with a suffix is the stage itself."""

    def at(self, placement: Placement) -> Site:
        """Begins nothing. Raises `InvalidInputError` for a placement that cannot be."""
        ...

    def named(self, stage: Stage) -> Sequence[NamedEndpoint]:
        """Every endpoint beside the stage, by name, whoever made it; also what one left that is gone."""
        ...

    def remove(self, stage: Stage, suffix: str, holder: str) -> None:
        """Delete the endpoint with this suffix, its configs and its models; records stay. Again changes nothing.

        Raises `StageBusyError` while something is deployed there.
        """
        ...
