"""Until when a stage is to serve: `deployments/<stage>/lifetime.json`, shared by dashboards and the guard in CI."""

from __future__ import annotations

from backend.adapters.sagemaker.names import NO_SUFFIXES, Suffixes
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.records import from_document, to_document
from backend.adapters.sagemaker.served import deployments_folder
from backend.domain.lifetimes import NO_LIMIT, Lifetime
from backend.domain.serving import Stage
from backend.ports.upkeep import Lifetimes


class S3Lifetimes:
    """`Lifetimes` in the bucket."""

    def __init__(self, bucket: Bucket, *, suffixes: Suffixes = NO_SUFFIXES) -> None:
        self._bucket = bucket
        self._keys = {stage: f"{deployments_folder(stage, suffixes.get(stage, ''))}lifetime.json" for stage in Stage}

    def read(self, stage: Stage) -> Lifetime:
        document = self._bucket.find(self._keys[stage])
        if document is None:
            return NO_LIMIT
        return from_document(Lifetime, document, where=self._bucket.uri(self._keys[stage]))

    def keep(self, stage: Stage, lifetime: Lifetime) -> None:
        if self.read(stage) != lifetime:
            self._bucket.put(self._keys[stage], to_document(lifetime))


def _conforms(adapter: S3Lifetimes) -> Lifetimes:
    return adapter
