"""What goes wrong with the model registry on SageMaker, and what must come of it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from backend.domain.registry import MODEL_GROUP, Approval
from backend.errors import NotFoundError, StoreError
from backend.ports.registry import ModelRegistry
from tests.contract import archives
from tests.contract.test_registry_contract import register
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.hosted import registry_on
from tests.fakes.aws.serving import overwrite


@pytest.fixture
def registry(aws: FakeAws, tmp_path: Path) -> ModelRegistry:
    return registry_on(aws.account, tmp_path)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return archives.good_archive(tmp_path / "model.tar.gz")


def fill(aws: FakeAws, registry: ModelRegistry, archive: Path, count: int) -> None:
    """Version 1 is of the job 'first'; then come others, made elsewhere."""
    register(registry, archive)
    for _ in range(count):
        aws.serving.packages.create_model_package({"ModelPackageGroupName": MODEL_GROUP, "ModelApprovalStatus": None})


def test_versions_on_the_second_page_are_listed_and_known(aws: FakeAws, registry: ModelRegistry, archive: Path) -> None:
    fill(aws, registry, archive, 120)
    aws.serving.packages.forget_tokens()
    aws.server.calls.clear()
    versions = registry.list_versions()
    assert [version.version for version in versions] == list(range(121, 0, -1))
    assert versions[-1].source_job == "first"
    assert aws.server.count("ListModelPackages") == 2  # a hundred a page
    assert aws.server.count("DescribeModelPackage") == 0
    assert register(registry, archive).version == 1
    assert aws.server.count("CreateModelPackage") == 0


def test_the_same_archive_registered_by_two_at_once_is_one_version(
    aws: FakeAws, registry: ModelRegistry, archive: Path, tmp_path: Path
) -> None:
    other = registry_on(aws.account, tmp_path / "elsewhere")
    register(registry, archive, "another job")
    numbers: list[int] = []
    together = threading.Barrier(2)
    real = aws.serving.packages.list_model_packages

    def look_then_wait(asked: dict[str, object]) -> object:
        answer = real(asked)
        together.wait(timeout=20)  # both have looked before either creates
        return answer

    aws.serving.packages.list_model_packages = look_then_wait  # type: ignore[method-assign, assignment]
    both = [
        threading.Thread(target=lambda to=to: numbers.append(register(to, archive).version)) for to in (registry, other)
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    aws.serving.packages.list_model_packages = real  # type: ignore[method-assign]
    assert numbers == [2, 2]
    assert len(registry.list_versions()) == 2


def test_the_request_is_one_that_sagemaker_takes_and_says_what_studio_shows(
    aws: FakeAws, registry: ModelRegistry, archive: Path
) -> None:
    version = register(registry, archive)
    (request,) = aws.server.requests("CreateModelPackage")
    assert "Tags" not in request
    assert request["ModelApprovalStatus"] == "PendingManualApproval"
    assert request["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] == version.archive
    assert f"sha256-{version.sha256}/model.tar.gz" in version.archive
    assert request["CustomerMetadataProperties"]["sha256"] == version.sha256
    assert request["CustomerMetadataProperties"]["test_accuracy"].startswith("0.")
    assert request["MetadataProperties"] == {"GeneratedBy": "first"}
    assert request["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"].startswith("s3://digits-test/digits/")


def test_a_decision_that_somebody_made_in_studio_counts_without_our_comment(
    aws: FakeAws, registry: ModelRegistry, archive: Path
) -> None:
    version = register(registry, archive)
    registry.set_approval(1, Approval.APPROVED, by="ada", comment="good")
    package = next(iter(aws.serving.packages.packages.values()))
    package["ModelApprovalStatus"] = "Rejected"
    seen = registry.get(version.version)
    assert (seen.approval, seen.approval_by, seen.approval_comment) == (Approval.REJECTED, "", "")


def test_approving_keeps_what_studio_shows(aws: FakeAws, registry: ModelRegistry, archive: Path) -> None:
    register(registry, archive)
    registry.set_approval(1, Approval.APPROVED, by="ada", comment="good on sevens")
    package = next(iter(aws.serving.packages.packages.values()))
    assert package["ApprovalDescription"] == "good on sevens"
    assert package["CustomerMetadataProperties"]["approval_by"] == "ada"
    assert package["CustomerMetadataProperties"]["source_job"] == "first"


def test_an_archive_that_was_overwritten_is_not_handed_out(
    aws: FakeAws, registry: ModelRegistry, archive: Path, tmp_path: Path
) -> None:
    version = register(registry, archive)
    overwrite(version.archive, b"other bytes")
    elsewhere = registry_on(aws.account, tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="overwritten"):
        elsewhere.fetch_archive(version)


def test_facts_that_were_tampered_with_are_told(
    aws: FakeAws, registry: ModelRegistry, archive: Path, tmp_path: Path
) -> None:
    register(registry, archive)
    (request,) = aws.server.requests("CreateModelPackage")
    facts = request["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    overwrite(facts, b'{"sha256": "0", "archive": "", "size_bytes": 1, "source_job": "", "registered_by": "eve"}')
    with pytest.raises(StoreError, match="not what was registered"):
        registry_on(aws.account, tmp_path / "elsewhere").get(1)


def test_a_version_made_elsewhere_is_listed_and_cannot_be_fetched(
    aws: FakeAws, registry: ModelRegistry, archive: Path
) -> None:
    fill(aws, registry, archive, 1)
    version = registry.get(2)
    assert (version.sha256, version.registered_by) == ("", "registered elsewhere")
    with pytest.raises(NotFoundError, match="no archive of ours"):
        registry.fetch_archive(version)
