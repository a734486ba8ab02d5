"""What completed jobs leave: model.tar.gz and output.tar.gz, fetched once and kept.

SageMaker tells no digest of the archive, so it is fetched and digested; the digest is written beside the records, once
for every dashboard. The W&B run that a job recorded offline lies in its output.tar.gz: it is put where this
installation's other offline runs are, and synced from there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

from backend.adapters.sagemaker.errors import LostRaceError
from backend.adapters.sagemaker.objects import Bucket

_RUN_LIMIT_BYTES: Final = 500_000_000


class JobOutputs:
    def __init__(self, bucket: Bucket, folder: Path) -> None:
        """`folder` is the state folder: archives go under `jobs/`, W&B runs under `wandb/`."""
        self._bucket = bucket
        self._folder = folder
        self._digests: dict[str, str] = {}

    def archive(self, uri: str) -> Path:
        """A local copy of the archive. Raises `NotFoundError`."""
        return self._fetch(uri)

    def output(self, uri: str) -> Path:
        """A local copy of output.tar.gz. Raises `NotFoundError`."""
        path = self._path(uri)
        fresh = not path.is_file()
        path = self._fetch(uri)
        if fresh:
            self._keep_runs(path)
        return path

    def sha256(self, uri: str) -> str:
        """The digest of the archive at `uri`, in hexadecimal. Raises `NotFoundError`."""
        if uri not in self._digests:
            key = f"digests/{hashlib.sha256(uri.encode()).hexdigest()[:32]}.json"
            found = self._bucket.find(key)
            if found is None:
                with self._fetch(uri).open("rb") as file:
                    found = {"uri": uri, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
                with suppress(LostRaceError):  # another digested the same bytes
                    self._bucket.create(key, found)
            self._digests[uri] = str(found["sha256"])
        return self._digests[uri]

    def _path(self, uri: str) -> Path:
        """jobs/<SageMaker's name>/<file>: `uri` ends in `<name>/output/<file>`."""
        parts = PurePosixPath(uri.removeprefix("s3://")).parts
        return self._folder / "jobs" / parts[-3] / parts[-1]

    def _fetch(self, uri: str) -> Path:
        path = self._path(uri)
        if not path.is_file():
            self._bucket.download(uri, path)
        return path

    def _keep_runs(self, output: Path) -> None:
        """Unpack `wandb/*run-*/` from the output to where offline runs are; a run that is there already stays."""
        target = self._folder / "wandb"
        with tarfile.open(output, "r:gz") as tar:
            members = [one for one in tar.getmembers() if one.isfile() and _in_a_run(one.name)]
            if sum(member.size for member in members) > _RUN_LIMIT_BYTES:
                return
            for member in members:
                source = tar.extractfile(member)
                path = target / PurePosixPath(*_parts(member.name)[1:])
                if source is None or path.exists():
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
                with source, partial.open("wb") as file:
                    shutil.copyfileobj(source, file)
                partial.replace(path)


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.removeprefix("./")).parts


def _in_a_run(name: str) -> bool:
    """Whether it is a file of a W&B run's folder, and stays within it."""
    parts = _parts(name)
    return len(parts) > 2 and parts[0] == "wandb" and "run-" in parts[1] and ".." not in parts
