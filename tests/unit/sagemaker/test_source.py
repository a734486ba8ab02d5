"""The code that ships to SageMaker's containers."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from backend.adapters.sagemaker import source
from backend.adapters.sagemaker.objects import Bucket
from tests.fakes.aws.account import FakeAws


def test_the_same_code_is_the_same_archive_whatever_its_times_and_caches(tmp_path: Path) -> None:
    copy = tmp_path / "digits"
    shutil.copytree(source.FOLDER, copy)
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
    (copy / "__pycache__").mkdir(exist_ok=True)
    (copy / "__pycache__" / "more.py").write_text("# a cache")
    assert source.archive(copy) == source.archive()
    assert source.digest(copy) == source.digest()
    (copy / "train.py").write_text("# other code")
    assert source.archive(copy) != source.archive()
    assert source.digest(copy) != source.digest()


def test_it_is_the_training_package_alone_and_whole() -> None:
    with tarfile.open(fileobj=io.BytesIO(source.archive())) as tar:
        names = tar.getnames()
        requirements = tar.extractfile(source.REQUIREMENTS)
        assert requirements is not None and b"tensorflow==" in requirements.read()
    assert source.ENTRY_SCRIPT in names
    tracked = {path.name for path in source.FOLDER.iterdir() if path.is_file()}
    assert set(names) == tracked


def test_it_starts_where_boto3_streamlit_and_pydantic_are_not(tmp_path: Path) -> None:
    """As a container does it: unpacked somewhere, started by its path, with nothing else of the product around."""
    with tarfile.open(fileobj=io.BytesIO(source.archive())) as tar:
        tar.extractall(tmp_path / "code", filter="data")
    missing = tmp_path / "missing"
    missing.mkdir()
    for name in ("boto3", "botocore", "streamlit", "pydantic", "sagemaker", "backend"):
        (missing / f"{name}.py").write_text("raise ModuleNotFoundError(__name__)")
    output = tmp_path / "output"
    done = subprocess.run(
        [sys.executable, "train.py", "--epochs", "many"],
        cwd=tmp_path / "code",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(missing), "SM_OUTPUT_DIR": str(output)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "epochs is 'many'" in (output / "failure").read_text()


def test_it_is_uploaded_once_per_content(aws: FakeAws) -> None:
    bucket = Bucket(aws.connect())
    first, again = source.upload(bucket), source.upload(bucket)
    assert first == again
    assert source.digest() in first
    assert aws.server.count("s3:PUT") == 1
