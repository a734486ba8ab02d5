"""The history of the stages as S3 objects, seen alike by every dashboard and by CI.

`deployments/<stage>/records/<started>-<id>.json` is one deployment. Its key sorts by time, so a stage's history is a
listing; a finished record never changes again, which S3 sees to: each write names the ETag it replaces.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC
from typing import Final

from backend.adapters.sagemaker.errors import LostRaceError
from backend.adapters.sagemaker.kept import Kept
from backend.adapters.sagemaker.names import NO_SUFFIXES, Suffixes
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.records import from_document, to_document
from backend.adapters.sagemaker.served import deployments_folder
from backend.domain.promotion import Deployment, Outcome
from backend.domain.serving import Stage
from backend.errors import NotFoundError, StoreError
from backend.ports.deployments import DeploymentStore

_ALL: Final = "deployments/"
_RACES: Final = 5
"""How often a write is tried again: a stage has one writer at a time, and now and then one that settles a record."""


class S3Deployments:
    """`DeploymentStore` in the bucket."""

    def __init__(self, bucket: Bucket, *, suffixes: Suffixes = NO_SUFFIXES) -> None:
        self._bucket = bucket
        self._suffixes = suffixes
        self._records = Kept(bucket, Deployment, _has_ended)

    def save(self, deployment: Deployment) -> None:
        key = self._key(deployment)
        document = to_document(deployment)
        for _ in range(_RACES):
            stored = self._bucket.look(key)
            try:
                if stored is None:
                    self._bucket.create(key, document)
                    return
                known = from_document(Deployment, stored.document, where=self._bucket.uri(key))
                if _has_ended(known):
                    return
                self._bucket.replace(key, document, etag=stored.etag)
                return
            except (LostRaceError, NotFoundError):  # not there any more counts as changed
                continue
        raise StoreError(f"The record of deployment '{deployment.id}' is being written by others all the time.")

    def get(self, deployment_id: str) -> Deployment:
        for stage in Stage:
            for key in self._bucket.keys(self._folder(stage)):
                if key.endswith(f"-{deployment_id}.json"):
                    deployment = self._records.read(key)
                    if deployment.id == deployment_id:
                        return deployment
        raise NotFoundError(f"No deployment '{deployment_id}'.")

    def history(self, stage: Stage | None = None) -> Sequence[Deployment]:
        stages = list(Stage) if stage is None else [stage]
        keys = [key for stage in stages for key in self._bucket.keys(self._folder(stage))]
        found = self._records.read_all(keys)
        return sorted(found, key=lambda deployment: (deployment.started_at, deployment.id), reverse=True)

    def of_version(self, stage: Stage, version: int) -> Sequence[Deployment]:
        """Endpoints beside the stage have folders of their own, which outlive them; a key tells its version."""
        folder = re.compile(rf"{_ALL}(.+-)?{stage.value}/records/")
        named = [key for key in self._bucket.keys(_ALL) if folder.match(key) and f"-v{version}-" in key]
        own = [key for key in self._bucket.keys(f"{deployments_folder(stage)}records/") if key not in named]
        found = [one for one in self._records.read_all([*named, *own]) if one.version == version]
        return sorted(found, key=lambda deployment: (deployment.started_at, deployment.id), reverse=True)

    def _folder(self, stage: Stage) -> str:
        return f"{deployments_folder(stage, self._suffixes.get(stage, ''))}records/"

    def _key(self, deployment: Deployment) -> str:
        started = deployment.started_at.astimezone(UTC).strftime("%Y%m%dT%H%M%S%f")
        return f"{self._folder(deployment.stage)}{started}-{deployment.id}.json"


def _has_ended(deployment: Deployment) -> bool:
    return deployment.outcome is not Outcome.IN_PROGRESS


def _conforms(adapter: S3Deployments) -> DeploymentStore:
    return adapter
