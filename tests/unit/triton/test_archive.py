from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.adapters.triton.archive import MAX_MODEL_BYTES, read_archive
from backend.errors import ArchiveRejectedError
from tests.contract import archives

Extra = Callable[[tarfile.TarFile], None]


def read(path: Path) -> object:
    return read_archive(path, sha256=archives.digest_of(path))


def test_a_good_archive_is_read_whole(tmp_path: Path) -> None:
    path = archives.good_archive(tmp_path / "model.tar.gz")
    archive = read_archive(path, sha256=archives.digest_of(path))
    assert archive.onnx == archives.template_model()
    assert archive.config_text == archives.CONFIG
    assert archive.config["instance_group"] == [{"count": 2, "kind": "KIND_CPU"}]


def test_folders_and_a_leading_dot_are_welcome(tmp_path: Path) -> None:
    path = tmp_path / "model.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for folder in (".", "./mnist", "./mnist/1"):
            member = tarfile.TarInfo(folder)
            member.type = tarfile.DIRTYPE
            tar.addfile(member)
        archives.add_file(tar, "./mnist/config.pbtxt", archives.CONFIG.encode())
        archives.add_file(tar, "./mnist/1/model.onnx", b"model")
    assert read_archive(path, sha256=archives.digest_of(path)).onnx == b"model"


def test_another_digest_names_both(tmp_path: Path) -> None:
    path = archives.good_archive(tmp_path / "model.tar.gz")
    with pytest.raises(ArchiveRejectedError, match=f"{archives.digest_of(path)}, expected {'0' * 64}"):
        read_archive(path, sha256="0" * 64)


def hard_link(tar: tarfile.TarFile) -> None:
    member = tarfile.TarInfo("mnist/1/model.onnx")
    member.type, member.linkname = tarfile.LNKTYPE, "/etc/passwd"
    tar.addfile(member)


def device(tar: tarfile.TarFile) -> None:
    member = tarfile.TarInfo("mnist/1/null")
    member.type = tarfile.CHRTYPE
    tar.addfile(member)


def foreign_folder(tar: tarfile.TarFile) -> None:
    member = tarfile.TarInfo("other")
    member.type = tarfile.DIRTYPE
    tar.addfile(member)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (lambda tar: archives.add_file(tar, "mnist/1/notes.txt", b"x"), "'mnist/1/notes.txt'.*not expected"),
        (lambda tar: archives.add_file(tar, "/etc/cron.d/x", b"x"), "'/etc/cron.d/x'.*not expected"),
        (lambda tar: archives.add_file(tar, "mnist/../../x", b"x"), "not expected"),
        (lambda tar: archives.add_file(tar, "mnist/1/model.onnx", b"x"), "only, once"),
        (lambda tar: archives.add_link(tar, "mnist/2", "/etc"), "'mnist/2'.*is a link"),
        (hard_link, "is a link"),
        (device, "special file"),
        (foreign_folder, "'other'.*is a folder"),
    ],
)
def test_anything_else_in_it_is_refused_by_name(tmp_path: Path, extra: Extra, said: str) -> None:
    path = archives.write_archive(tmp_path / "model.tar.gz", onnx=b"model", extra=extra)
    with pytest.raises(ArchiveRejectedError, match=said):
        read(path)


def test_a_missing_or_empty_file_is_named(tmp_path: Path) -> None:
    path = archives.write_archive(tmp_path / "model.tar.gz", onnx=b"")
    with pytest.raises(ArchiveRejectedError, match=r"no 'mnist/1/model\.onnx', or it is empty"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"plain text", gzip.compress(b"no tar inside" * 100, mtime=0)])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.tar.gz"
    path.write_bytes(content)
    with pytest.raises(ArchiveRejectedError, match=r"model\.tar\.gz"):
        read(path)


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    path = archives.good_archive(tmp_path / "model.tar.gz")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ArchiveRejectedError, match="cannot be read"):
        read(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRejectedError, match="cannot be read"):
        read_archive(tmp_path / "model.tar.gz", sha256="0" * 64)


def test_a_claim_to_be_huge_is_refused_before_unpacking(tmp_path: Path) -> None:
    header = tarfile.TarInfo("mnist/1/model.onnx")
    header.size = MAX_MODEL_BYTES + 1
    path = tmp_path / "model.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf()))
    with pytest.raises(ArchiveRejectedError, match="bytes, at most"):
        read(path)


def test_a_bomb_in_a_header_stops_at_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.adapters.triton.archive._Bounded._left", 100_000)
    header = tarfile.TarInfo("./pax")
    header.type, header.size = tarfile.XHDTYPE, 10_000_000
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as stream:
        stream.write(header.tobuf() + b"\0" * header.size)
    path = tmp_path / "model.tar.gz"
    path.write_bytes(packed.getvalue())
    assert path.stat().st_size < 20_000
    with pytest.raises(ArchiveRejectedError, match="more than a model may have"):
        read(path)
