"""Model versions in SageMaker's words and back; pure.

A version's facts (digest, size, job, evaluation) never change: they are one S3 object named by its own SHA-256, which
the package's description names. ListModelPackages gives descriptions, a hundred a call, so that a list of all versions
needs no DescribeModelPackage for each. What Studio shows of a version (metrics, metadata, where it came from) is said
in SageMaker's own fields too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from backend.domain.evaluation import Evaluation
from backend.domain.registry import Approval

CONTENT_TYPES: Final = ("application/json", "application/octet-stream", "application/vnd.sagemaker-triton.binary+json")
_LONGEST_VALUE: Final = 256
_LONGEST_DESCRIPTION: Final = 1024
_DESCRIPTION: Final = re.compile(r"sha256=([0-9a-f]{64}) job=(\S*) facts=([0-9a-f]{64})")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a version for ever."""

    sha256: str
    archive: str
    size_bytes: int
    source_job: str
    registered_by: str
    evaluation: Evaluation | None = None


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a description of ours says; `facts` is the SHA-256 of the object that holds them."""

    sha256: str
    source_job: str
    facts: str


def description(described: Described) -> str:
    return f"sha256={described.sha256} job={described.source_job} facts={described.facts}"


def parse_description(text: str) -> Described | None:
    """None for a version that was not registered by this product."""
    match = _DESCRIPTION.fullmatch(text)
    return None if match is None else Described(sha256=match[1], source_job=match[2], facts=match[3])


def package_request(group: str, facts: Facts, *, facts_digest: str, evaluation_uri: str, image: str) -> dict[str, Any]:
    """CreateModelPackage of a version in the group.

    No `Tags`: a version takes those of its group, and SageMaker refuses the request. The token makes the same archive
    of the same job one version even when two ask in the same moment.
    """
    request: dict[str, Any] = {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": description(
            Described(sha256=facts.sha256, source_job=facts.source_job, facts=facts_digest)
        ),
        "ModelApprovalStatus": Approval.PENDING.value,
        "InferenceSpecification": {
            "Containers": [{"Image": image, "ModelDataUrl": facts.archive}],
            "SupportedContentTypes": list(CONTENT_TYPES),
            "SupportedResponseMIMETypes": list(CONTENT_TYPES),
        },
        "CustomerMetadataProperties": _metadata(facts),
        "ClientToken": hashlib.sha256(f"{facts.sha256} {facts.source_job}".encode()).hexdigest()[:36],
    }
    if facts.evaluation is not None:
        request["ModelMetrics"] = {
            "ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": evaluation_uri}}
        }
    if facts.source_job:
        request["MetadataProperties"] = {"GeneratedBy": facts.source_job}
    return request


def approval_request(
    arn: str, approval: Approval, *, by: str, at: str, comment: str, known: Mapping[str, str]
) -> dict[str, Any]:
    """UpdateModelPackage; `known` are the properties that it has: an update replaces them all."""
    return {
        "ModelPackageArn": arn,
        "ModelApprovalStatus": approval.value,
        "ApprovalDescription": comment[:_LONGEST_DESCRIPTION],
        "CustomerMetadataProperties": {**known, "approval_by": by[:_LONGEST_VALUE], "approval_at": at},
    }


def _metadata(facts: Facts) -> dict[str, str]:
    """What Studio shows beside the version; at most 50 entries of 256 characters."""
    metadata = {
        "sha256": facts.sha256,
        "size_bytes": str(facts.size_bytes),
        "source_job": facts.source_job,
        "registered_by": facts.registered_by,
    }
    evaluation = facts.evaluation
    if evaluation is not None:
        metadata |= {
            "test_accuracy": f"{evaluation.accuracy:.6f}",
            "test_loss": f"{evaluation.loss:.6f}",
            "test_images": str(evaluation.n),
            "test_sha256": evaluation.test_sha256,
            "dataset": evaluation.dataset,
        }
        if evaluation.freehand is not None:
            metadata["freehand_accuracy"] = f"{evaluation.freehand.accuracy:.6f}"
        if evaluation.performance is not None:
            metadata["precision"] = evaluation.performance.precision
    return {name: value[:_LONGEST_VALUE] for name, value in metadata.items() if value}
