"""Model versions in SageMaker's Model Registry; archives under write-once keys, facts and decisions as S3 objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from backend.adapters.sagemaker.artifacts import Artifacts
from backend.adapters.sagemaker.errors import LostRaceError, TakenError, translating
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.records import digest_of, from_document, to_document
from backend.adapters.sagemaker.registry_requests import (
    Facts,
    approval_request,
    package_request,
    parse_description,
)
from backend.adapters.sagemaker.serving_requests import tagging
from backend.adapters.sagemaker.session import PAGE, Aws
from backend.adapters.sagemaker.version_log import VersionLog
from backend.domain.evaluation import Evaluation
from backend.domain.registry import MODEL_GROUP, Approval, Decision, DecisionKind, ModelVersion
from backend.errors import NotFoundError, StoreError
from backend.ports.registry import ModelRegistry

_READERS: Final = 8
_COMMENT: Final = "-comment.json"


@dataclass(frozen=True, kw_only=True)
class Decided:
    """One decision about a version, as an object of its own: none is ever written over another.

    `approval` is None for a comment, which decides nothing.
    """

    version: int
    approval: Approval | None
    by: str
    at: datetime
    comment: str


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What running a version's archive said of it, in place of what its training claimed."""

    version: int
    at: datetime
    evaluation: Evaluation


class SageMakerRegistry:
    """`ModelRegistry` on SageMaker. `image` is the container that serves the versions."""

    def __init__(
        self,
        aws: Aws,
        bucket: Bucket,
        artifacts: Artifacts,
        *,
        image: str,
        group: str = MODEL_GROUP,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self._aws = aws
        self._bucket = bucket
        self._artifacts = artifacts
        self._image = image
        self._group = group
        self._tags = tags or {}
        self._facts: dict[str, Facts] = {}
        self._decided = VersionLog(bucket, "registry/decisions", Decided)
        self._measured = VersionLog(bucket, "registry/evaluations", Measured)

    def register(
        self, archive: Path, *, sha256: str, source_job: str, evaluation: Evaluation | None, registered_by: str
    ) -> ModelVersion:
        size = archive.stat().st_size
        uri = self._artifacts.keep(archive, sha256)
        known = self._registered(sha256, source_job)
        if known is not None:
            return self.get(known)
        facts = Facts(
            sha256=sha256,
            archive=uri,
            size_bytes=size,
            source_job=source_job,
            registered_by=registered_by,
            evaluation=evaluation,
        )
        self._require_group()
        digest, place = self._write_facts(facts)
        request = package_request(
            self._group, facts, facts_digest=digest, evaluation_uri=self._bucket.uri(place), image=self._image
        )
        with translating(f"register the archive of '{source_job or archive.name}'"):
            arn = self._aws.sagemaker("write").create_model_package(**request)["ModelPackageArn"]
        return self.get(int(arn.rpartition("/")[2]))

    def get(self, version: int) -> ModelVersion:
        package = self._package(version)
        return self._version(package, self._decisions(version), self._measured.latest(version))

    def list_versions(self) -> Sequence[ModelVersion]:
        packages = list(self._packages())
        if not packages:
            return []
        decisions, measured = self._decisions(), self._measured.latest()
        with ThreadPoolExecutor(_READERS) as readers:
            found = list(readers.map(lambda package: self._version(package, decisions, measured), packages))
        return sorted(found, key=lambda version: version.version, reverse=True)

    def set_approval(self, version: int, approval: Approval, *, by: str, comment: str) -> ModelVersion:
        package = self._package(version)
        # First who and why, then the decision itself: one that takes hold is never without its author.
        decided = Decided(version=version, approval=approval, by=by, at=datetime.now(UTC), comment=comment)
        self._write(decided)
        request = approval_request(
            package["ModelPackageArn"],
            approval,
            by=by,
            at=decided.at.isoformat(),
            comment=comment,
            known=package.get("CustomerMetadataProperties", {}),
        )
        with translating(f"set the approval of version {version}"):
            self._aws.sagemaker("write").update_model_package(**request)
        return self.get(version)

    def add_comment(self, version: int, *, by: str, comment: str) -> None:
        self._package(version)
        self._write(Decided(version=version, approval=None, by=by, at=datetime.now(UTC), comment=comment))

    def decisions(self, version: int) -> Sequence[Decision]:
        """Also those that did not take hold: SageMaker was asked after they were written."""
        self._package(version)
        return [
            Decision(version=one.version, kind=_kind(one), by=one.by, at=one.at, comment=one.comment)
            for one in reversed(self._decided.all(version))
        ]

    def record_evaluation(self, version: int, evaluation: Evaluation) -> ModelVersion:
        """SageMaker's own metrics of the package stay what the training measured: only an approver may change them."""
        self._package(version)
        now = datetime.now(UTC)
        self._measured.add(version, Measured(version=version, at=now, evaluation=evaluation), at=now)
        return self.get(version)

    def fetch_archive(self, version: ModelVersion) -> Path:
        return self._artifacts.fetch(version.archive)

    def _registered(self, sha256: str, source_job: str) -> int | None:
        """The version that these bytes of this job have already."""
        for package in self._packages():
            described = parse_description(package.get("ModelPackageDescription", ""))
            if described is not None and (described.sha256, described.source_job) == (sha256, source_job):
                return int(package["ModelPackageVersion"])
        return None

    def _packages(self) -> Iterator[Mapping[str, Any]]:
        """The summaries of every version, page after page; none when the group does not exist yet."""
        try:
            with translating("list the model versions"):
                pages = self._aws.sagemaker().get_paginator("list_model_packages")
                for page in pages.paginate(ModelPackageGroupName=self._group, PaginationConfig={"PageSize": PAGE}):
                    yield from page["ModelPackageSummaryList"]
        except NotFoundError:
            return

    def _package(self, version: int) -> Mapping[str, Any]:
        try:
            with translating(f"describe version {version}"):
                return self._aws.sagemaker().describe_model_package(ModelPackageName=self._arn(version))
        except NotFoundError:
            raise NotFoundError(
                f"No model version {version}.", hint="`python -m backend models list` shows all."
            ) from None

    def _arn(self, version: int) -> str:
        """Versions have no name of their own, only an ARN; the account is the one that the execution role is in."""
        _, partition, _, _, account, _ = self._aws.account.role.split(":", 5)
        return f"arn:{partition}:sagemaker:{self._aws.account.region}:{account}:model-package/{self._group}/{version}"

    def _require_group(self) -> None:
        sagemaker = self._aws.sagemaker("write")
        try:
            with translating(f"describe the model package group '{self._group}'"):
                sagemaker.describe_model_package_group(ModelPackageGroupName=self._group)
        except NotFoundError:
            try:
                with translating(f"create the model package group '{self._group}'"):
                    sagemaker.create_model_package_group(
                        ModelPackageGroupName=self._group,
                        ModelPackageGroupDescription="Digit classifiers: what staging and prod serve is one of these.",
                        **tagging(self._tags),
                    )
            except TakenError:
                return  # somebody registered their first version in the same moment

    def _write_facts(self, facts: Facts) -> tuple[str, str]:
        """Returns the digest of the object and its key."""
        document = to_document(facts)
        digest = digest_of(document)
        key = _facts_key(digest)
        try:
            self._bucket.create(key, document)
        except LostRaceError:
            return digest, key  # these very bytes are there
        return digest, key

    def _version(
        self, package: Mapping[str, Any], decisions: Mapping[int, Decided], measurements: Mapping[int, Measured]
    ) -> ModelVersion:
        number = int(package["ModelPackageVersion"])
        approval = Approval(package.get("ModelApprovalStatus") or Approval.PENDING.value)
        facts = self._facts_of(package)
        decided = decisions.get(number)
        if decided is not None and decided.approval is not approval:
            decided = None  # it did not take hold, or somebody decided otherwise in Studio
        measured = measurements.get(number)
        return ModelVersion(
            version=number,
            sha256=facts.sha256,
            archive=facts.archive,
            size_bytes=facts.size_bytes,
            approval=approval,
            created_at=package["CreationTime"].astimezone(UTC),
            registered_by=facts.registered_by,
            source_job=facts.source_job,
            evaluation=measured.evaluation if measured else facts.evaluation,
            approval_by=decided.by if decided else "",
            approval_comment=decided.comment if decided else "",
            approval_at=decided.at if decided else None,
        )

    def _facts_of(self, package: Mapping[str, Any]) -> Facts:
        described = parse_description(package.get("ModelPackageDescription", ""))
        if described is None:
            return Facts(sha256="", archive="", size_bytes=0, source_job="", registered_by="registered elsewhere")
        if described.facts not in self._facts:
            key = _facts_key(described.facts)
            document = self._bucket.find(key)
            if document is None or digest_of(document) != described.facts:
                raise StoreError(
                    f"The facts of version {package['ModelPackageVersion']} are "
                    f"{'gone' if document is None else 'not what was registered'}: '{self._bucket.uri(key)}'.",
                    hint="Restore the object from the bucket's versions.",
                )
            self._facts[described.facts] = from_document(Facts, document, where=self._bucket.uri(key))
        return self._facts[described.facts]

    def _decisions(self, version: int | None = None) -> Mapping[int, Decided]:
        return self._decided.latest(version, but=_COMMENT)

    def _write(self, decided: Decided) -> None:
        self._decided.add(decided.version, decided, at=decided.at, ending=".json" if decided.approval else _COMMENT)


def _kind(decided: Decided) -> DecisionKind:
    return DecisionKind(decided.approval.value) if decided.approval else DecisionKind.COMMENT


def _facts_key(digest: str) -> str:
    return f"registry/facts/{digest}.json"


def _conforms(adapter: SageMakerRegistry) -> ModelRegistry:
    return adapter
