"""This machine has one endpoint for each stage, and archives in files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from backend.domain.capabilities import Feature, Unsupported, require
from backend.domain.delivery import NamedEndpoint, Placement
from backend.domain.model_config import S3_URI
from backend.domain.serving import Stage
from backend.errors import InvalidInputError, NotFoundError
from backend.ports.archives import ArchiveSource
from backend.ports.deployments import DeploymentStore
from backend.ports.serving import ServingPlatform
from backend.ports.sites import Site, Sites

_UNSUPPORTED: Final[Unsupported] = {
    Feature.NAMED_ENDPOINTS: "This machine has one server for each stage: a pull request is deployed to staging itself."
}


class LocalSites:
    """`Sites` of this machine."""

    def __init__(self, serving: ServingPlatform, deployments: DeploymentStore) -> None:
        self.unsupported = _UNSUPPORTED
        self._site = Site(serving=serving, deployments=deployments)

    def at(self, placement: Placement) -> Site:
        return self._site

    def named(self, stage: Stage) -> Sequence[NamedEndpoint]:
        return []

    def remove(self, stage: Stage, suffix: str, holder: str) -> None:
        require(Feature.NAMED_ENDPOINTS, self.unsupported)


class LocalArchives:
    """`ArchiveSource` of this machine."""

    def fetch(self, uri: str, beside: Path) -> Path:
        if uri.startswith(S3_URI):
            raise InvalidInputError(
                f"'{uri}' is on S3, and this is the platform local.",
                hint="Use --platform sagemaker, or register the file and name it as model-version:N.",
            )
        path = beside / uri
        if not path.is_file():
            raise NotFoundError(f"There is no archive '{path}'.")
        return path


def _conforms(sites: LocalSites) -> Sites:
    return sites


def _conforms_archives(archives: LocalArchives) -> ArchiveSource:
    return archives
