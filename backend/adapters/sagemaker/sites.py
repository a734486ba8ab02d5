"""The stages' endpoints as they are declared, endpoints beside them for pull requests, and archives on S3."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from backend.adapters.sagemaker.deployments import S3Deployments
from backend.adapters.sagemaker.endpoints import SageMakerEndpoints
from backend.adapters.sagemaker.errors import translating
from backend.adapters.sagemaker.images import triton_image
from backend.adapters.sagemaker.names import Suffixes, endpoint_name
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.serving_requests import Hosting, Shift
from backend.adapters.sagemaker.session import PAGE, Aws
from backend.domain.capabilities import Unsupported
from backend.domain.delivery import EXPIRES, USUAL_LIFE, NamedEndpoint, Placement
from backend.domain.model_config import S3_URI
from backend.domain.serving import ENDPOINT_NAME, Stage
from backend.errors import InvalidInputError, NotFoundError
from backend.ports.archives import ArchiveSource
from backend.ports.sites import Site, Sites

_LISTED: Final = (
    ("list_endpoints", "Endpoints", "EndpointName"),
    ("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
    ("list_models", "Models", "ModelName"),
)
_CONTENT: Final = r"(-v[1-9][0-9]*-[0-9a-f]{12})?"
"""What follows an endpoint's name in those of its configs and models."""

Serve = Callable[[Hosting, Suffixes, Mapping[str, str], bool], SageMakerEndpoints]
"""Makes the adapter for such endpoints; the last word is whether the hosting was declared for them."""


class SageMakerSites:
    """`Sites` on SageMaker. `hosting` is what the settings say, `own_image` the image if they name one."""

    def __init__(self, aws: Aws, bucket: Bucket, hosting: Hosting, serve: Serve, *, own_image: str = "") -> None:
        self.unsupported: Unsupported = {}
        self._aws = aws
        self._bucket = bucket
        self._hosting = hosting
        self._own_image = own_image
        self._serve = serve

    def at(self, placement: Placement) -> Site:
        suffixes = {placement.stage: placement.suffix}
        endpoint_name(placement.stage, placement.suffix)  # refused here rather than after an archive was registered
        kind = placement.instance_type or self._hosting.instance_type
        hosting = replace(
            self._hosting,
            image=placement.image or self._own_image or triton_image(self._aws.account.region, kind),
            instance_type=kind,
            instances=placement.instances,
            # One instance cannot be shifted in parts, whatever the settings say of others.
            shift=self._hosting.shift if placement.instances > 1 else Shift.ALL_AT_ONCE,
        )
        return Site(
            serving=self._serve(hosting, suffixes, placement.tags, True),
            deployments=S3Deployments(self._bucket, suffixes=suffixes),
        )

    def named(self, stage: Stage) -> Sequence[NamedEndpoint]:
        ours = re.compile(rf"{re.escape(ENDPOINT_NAME)}-(.+)-{stage.value}{_CONTENT}")
        found: dict[str, NamedEndpoint] = {}
        for name, entry in self._listed(stage):
            match = ours.fullmatch(name)
            if match is None or match[1] in found:  # endpoints come first, and tell more than what is left of one
                continue
            created = entry["CreationTime"].astimezone(UTC)
            found[match[1]] = NamedEndpoint(
                stage=stage,
                suffix=match[1],
                name=endpoint_name(stage, match[1]),
                created=created,
                expires=self._expires(entry.get("EndpointArn", "")) or created + USUAL_LIFE,
            )
        return sorted(found.values(), key=lambda endpoint: endpoint.name)

    def remove(self, stage: Stage, suffix: str, holder: str) -> None:
        serving = self._serve(self._hosting, {stage: suffix}, {}, False)
        with serving.hold(stage, holder):
            serving.delete(stage)

    def _listed(self, stage: Stage) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for operation, listed, name in _LISTED:
            with translating(f"look for endpoints beside {stage.value}"):
                pages = self._aws.sagemaker().get_paginator(operation)  # type: ignore[call-overload]
                for page in pages.paginate(NameContains=f"{ENDPOINT_NAME}-", PaginationConfig={"PageSize": PAGE}):
                    for entry in page[listed]:
                        yield entry[name], entry

    def _expires(self, arn: str) -> datetime | None:
        """As the endpoint's tag says; None without an endpoint, without the tag, and for one that is no time."""
        if not arn:
            return None
        try:
            with translating(f"read the tags of {arn}"):
                pages = self._aws.sagemaker().get_paginator("list_tags").paginate(ResourceArn=arn)
                tags = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
        except NotFoundError:  # it was deleted in this moment
            return None
        with suppress(KeyError, ValueError):
            told = datetime.fromisoformat(tags[EXPIRES])
            return told if told.tzinfo else told.replace(tzinfo=UTC)
        return None


class S3Archives:
    """`ArchiveSource` on S3; `folder` keeps what was fetched until it is fetched again."""

    def __init__(self, bucket: Bucket, folder: Path) -> None:
        self._bucket = bucket
        self._folder = folder

    def fetch(self, uri: str, beside: Path) -> Path:
        if not uri.startswith(S3_URI):
            raise InvalidInputError(
                f"'{uri}' is a file of one machine, and SageMaker serves from S3.",
                hint="Register it (`python -m backend register --archive FILE`) and name it as model-version:N.",
            )
        target = self._folder / hashlib.sha256(uri.encode()).hexdigest()[:12] / "model.tar.gz"
        self._bucket.download(uri, target)
        return target


def _conforms(sites: SageMakerSites) -> Sites:
    return sites


def _conforms_archives(archives: S3Archives) -> ArchiveSource:
    return archives
