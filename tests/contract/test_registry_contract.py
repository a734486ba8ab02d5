"""What every model registry keeps; `backend.ports.registry` in executable form."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backend.adapters.local.database import Database
from backend.adapters.local.home import Home
from backend.adapters.local.registry import LocalRegistry
from backend.domain.evaluation import Evaluation
from backend.domain.registry import Approval, DecisionKind, ModelVersion
from backend.errors import ArchiveRejectedError, NotFoundError
from backend.ports.registry import ModelRegistry
from tests.contract.archives import good_archive
from tests.fakes import trainer
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.hosted import registry_on

EVALUATION = Evaluation.from_document(trainer.evaluation())


@pytest.fixture(params=["local", pytest.param("sagemaker", marks=pytest.mark.processes)])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> ModelRegistry:
    if request.param == "sagemaker":
        fake: FakeAws = request.getfixturevalue("aws")
        return registry_on(fake.account, tmp_path)
    home = Home(tmp_path / "home")
    return LocalRegistry(Database(home.database), home)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "model.tar.gz"
    good_archive(path)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def register(registry: ModelRegistry, archive: Path, job: str = "first") -> ModelVersion:
    return registry.register(
        archive, sha256=sha256(archive), source_job=job, evaluation=EVALUATION, registered_by="ada"
    )


def test_an_empty_registry_lists_nothing(registry: ModelRegistry) -> None:
    assert list(registry.list_versions()) == []


def test_versions_count_from_one_and_are_listed_newest_first(registry: ModelRegistry, archive: Path) -> None:
    assert [register(registry, archive, job).version for job in ("a", "b", "c")] == [1, 2, 3]
    assert [version.version for version in registry.list_versions()] == [3, 2, 1]


def test_a_version_keeps_what_it_was_registered_with(registry: ModelRegistry, archive: Path) -> None:
    version = register(registry, archive)
    assert registry.get(1) == version
    assert (version.sha256, version.source_job, version.registered_by) == (sha256(archive), "first", "ada")
    assert version.evaluation == EVALUATION
    assert version.size_bytes == archive.stat().st_size
    assert version.approval is Approval.PENDING


def test_the_same_bytes_of_the_same_job_are_one_version(registry: ModelRegistry, archive: Path) -> None:
    assert register(registry, archive).version == register(registry, archive).version == 1
    assert len(registry.list_versions()) == 1


def test_the_archive_is_a_copy_that_outlives_its_source(registry: ModelRegistry, archive: Path) -> None:
    content = archive.read_bytes()
    version = register(registry, archive)
    archive.write_bytes(b"overwritten")
    assert registry.fetch_archive(version).read_bytes() == content
    archive.unlink()
    assert registry.fetch_archive(registry.get(1)).read_bytes() == content


def test_bytes_with_another_digest_are_refused_and_leave_nothing(registry: ModelRegistry, archive: Path) -> None:
    with pytest.raises(ArchiveRejectedError, match="SHA-256"):
        registry.register(archive, sha256="0" * 64, source_job="first", evaluation=None, registered_by="ada")
    assert list(registry.list_versions()) == []
    assert register(registry, archive).version == 1


def test_the_latest_decision_counts_and_says_who_and_why(registry: ModelRegistry, archive: Path) -> None:
    register(registry, archive)
    registry.set_approval(1, Approval.APPROVED, by="ada", comment="good on sevens")
    version = registry.set_approval(1, Approval.REJECTED, by="bob", comment="bad on nines")
    assert (version.approval, version.approval_by, version.approval_comment) == (
        Approval.REJECTED,
        "bob",
        "bad on nines",
    )
    assert version.approval_at is not None
    assert registry.get(1) == version


def test_what_was_measured_takes_the_place_of_what_was_said(registry: ModelRegistry, archive: Path) -> None:
    before = register(registry, archive)
    measured = replace(EVALUATION, accuracy=0.5, measured_at=datetime(2026, 11, 25, 8, 30, tzinfo=UTC))
    after = registry.record_evaluation(1, measured)
    assert after == registry.get(1) == replace(before, evaluation=measured)
    with pytest.raises(NotFoundError, match="No model version 7"):
        registry.record_evaluation(7, measured)


def test_an_unknown_version_is_not_found(registry: ModelRegistry) -> None:
    with pytest.raises(NotFoundError, match="No model version 7"):
        registry.get(7)
    with pytest.raises(NotFoundError, match="No model version 7"):
        registry.set_approval(7, Approval.APPROVED, by="ada", comment="")
    with pytest.raises(NotFoundError, match="No model version 7"):
        registry.add_comment(7, by="ada", comment="hm")
    with pytest.raises(NotFoundError, match="No model version 7"):
        registry.decisions(7)


def test_what_was_said_about_a_version_is_kept_newest_first(registry: ModelRegistry, archive: Path) -> None:
    register(registry, archive)
    register(registry, archive, "other")
    assert list(registry.decisions(1)) == []
    registry.set_approval(1, Approval.APPROVED, by="ada", comment="good on sevens")
    registry.add_comment(1, by="eve", comment="what about nines?")
    registry.set_approval(1, Approval.REJECTED, by="bob", comment="bad on nines")
    registry.set_approval(2, Approval.APPROVED, by="ada", comment="")
    decisions = registry.decisions(1)
    assert [(decision.kind, decision.by, decision.comment) for decision in decisions] == [
        (DecisionKind.REJECTED, "bob", "bad on nines"),
        (DecisionKind.COMMENT, "eve", "what about nines?"),
        (DecisionKind.APPROVED, "ada", "good on sevens"),
    ]
    assert decisions[0].at == registry.get(1).approval_at
    assert decisions[0].at >= decisions[1].at >= decisions[2].at


def test_a_comment_decides_nothing(registry: ModelRegistry, archive: Path) -> None:
    before = register(registry, archive)
    registry.add_comment(1, by="eve", comment="hm")
    assert registry.get(1) == before
