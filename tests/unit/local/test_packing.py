from __future__ import annotations

import os
import tarfile
from pathlib import Path

from backend.adapters.local.packing import pack, sha256_of


def fill(folder: Path) -> Path:
    (folder / "mnist" / "1").mkdir(parents=True)
    (folder / "mnist" / "1" / "model.onnx").write_bytes(bytes(range(256)))
    (folder / "mnist" / "config.pbtxt").write_text("name")
    return folder


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = fill(tmp_path / "first"), fill(tmp_path / "second")
    os.utime(second / "mnist" / "config.pbtxt", (1, 1))
    (second / "mnist" / "1" / "model.onnx").chmod(0o600)
    pack(first, tmp_path / "1.tar.gz")
    pack(second, tmp_path / "2.tar.gz")
    assert sha256_of(tmp_path / "1.tar.gz") == sha256_of(tmp_path / "2.tar.gz")


def test_other_content_gives_another_digest(tmp_path: Path) -> None:
    folder = fill(tmp_path / "folder")
    pack(folder, tmp_path / "1.tar.gz")
    (folder / "mnist" / "config.pbtxt").write_text("nama")
    pack(folder, tmp_path / "2.tar.gz")
    assert sha256_of(tmp_path / "1.tar.gz") != sha256_of(tmp_path / "2.tar.gz")


def test_what_was_packed_comes_out_again(tmp_path: Path) -> None:
    pack(fill(tmp_path / "folder"), tmp_path / "a.tar.gz")
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        assert tar.getnames() == ["mnist", "mnist/1", "mnist/1/model.onnx", "mnist/config.pbtxt"]
        model = tar.extractfile("mnist/1/model.onnx")
        assert model is not None
        assert model.read() == bytes(range(256))
        assert {(m.uid, m.uname, m.mtime) for m in tar.getmembers()} == {(0, "", 0)}
