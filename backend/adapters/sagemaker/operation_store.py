"""Records of operations as S3 objects: what one replica of the dashboard began, every other one can tell of."""

from __future__ import annotations

from backend.adapters.sagemaker.audit import counted_down
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.records import from_document, to_document
from backend.domain.operations import Operation
from backend.errors import NotFoundError
from backend.ports.operations import OperationStore


class S3OperationStore:
    """`OperationStore` in the bucket: a record per id, and per kind a list of ids that begins with the newest."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def save(self, operation: Operation) -> None:
        # First the entry in the list: an operation that can be found by its id can be found as the newest, too.
        self._bucket.put(f"{_listed(operation.kind)}{counted_down(operation.started_at)}-{operation.id}", {})
        self._bucket.put(_key(operation.id), to_document(operation))

    def get(self, operation_id: str) -> Operation:
        document = self._bucket.find(_key(operation_id))
        if document is None:
            raise NotFoundError(f"No operation '{operation_id}'.")
        return from_document(Operation, document, where=self._bucket.uri(_key(operation_id)))

    def latest(self, kind: str) -> Operation | None:
        for key in self._bucket.keys(_listed(kind)):
            _, _, operation_id = key.rpartition("/")[2].partition("-")
            document = self._bucket.find(_key(operation_id))
            if document is not None:
                return from_document(Operation, document, where=self._bucket.uri(_key(operation_id)))
        return None


def _key(operation_id: str) -> str:
    return f"operations/records/{operation_id}.json"


def _listed(kind: str) -> str:
    return f"operations/kinds/{kind}/"


def _conforms(adapter: S3OperationStore) -> OperationStore:
    return adapter
