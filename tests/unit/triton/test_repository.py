from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backend.adapters.triton.archive import Archive, read_archive
from backend.adapters.triton.repository import ModelRepository
from tests.contract import archives


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    path = archives.good_archive(tmp_path / "model.tar.gz")
    return read_archive(path, sha256=archives.digest_of(path))


def test_a_version_appears_whole_and_read_only(tmp_path: Path, archive: Archive) -> None:
    repository = ModelRepository(tmp_path / "repository")
    repository.install(archive, 4)
    file = tmp_path / "repository" / "mnist" / "4" / "model.onnx"
    assert file.read_bytes() == archive.onnx
    assert file.stat().st_mode & 0o777 == 0o444
    assert (tmp_path / "repository" / "mnist" / "config.pbtxt").read_text() == archives.CONFIG
    assert sorted(path.name for path in (tmp_path / "repository" / "mnist").iterdir()) == ["4", "config.pbtxt"]


def test_bytes_that_are_there_are_kept_and_damaged_ones_replaced(tmp_path: Path, archive: Archive) -> None:
    repository = ModelRepository(tmp_path)
    repository.install(archive, 1)
    file = tmp_path / "mnist" / "1" / "model.onnx"
    inode = file.stat().st_ino
    repository.install(archive, 1)
    assert file.stat().st_ino == inode
    file.chmod(0o644)
    file.write_bytes(b"rotten")
    repository.install(archive, 1)
    assert file.read_bytes() == archive.onnx


def test_a_leftover_of_an_interrupted_installation_is_no_obstacle(tmp_path: Path, archive: Archive) -> None:
    repository = ModelRepository(tmp_path)
    repository.create()
    (tmp_path / "mnist" / ".new").mkdir()
    (tmp_path / "mnist" / ".new" / "model.onnx").write_bytes(b"half")
    (tmp_path / "mnist" / "2").mkdir()
    repository.install(archive, 2)
    assert (tmp_path / "mnist" / "2" / "model.onnx").read_bytes() == archive.onnx


def test_the_candidate_is_the_same_file_under_another_name(tmp_path: Path, archive: Archive) -> None:
    repository = ModelRepository(tmp_path)
    assert not repository.has_candidate
    repository.install(archive, 3)
    repository.offer_candidate(archive, 3)
    assert repository.has_candidate
    assert (tmp_path / "mnist_candidate" / "3" / "model.onnx").samefile(tmp_path / "mnist" / "3" / "model.onnx")
    repository.remove_candidate()
    assert not repository.has_candidate
    assert (tmp_path / "mnist" / "3" / "model.onnx").exists()


def test_only_the_named_versions_stay(tmp_path: Path, archive: Archive) -> None:
    repository = ModelRepository(tmp_path)
    for version in (1, 2, 10):
        repository.install(replace(archive), version)
    repository.keep_only({2, 10})
    assert sorted(path.name for path in (tmp_path / "mnist").glob("[0-9]*")) == ["10", "2"]
