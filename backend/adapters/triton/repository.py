"""The model repository of one stage: what lies where Triton loads from.

    <repository>/mnist/config.pbtxt           of the archive installed last, for people: a load brings its own
    <repository>/mnist/<version>/model.onnx   read-only
    <repository>/mnist_candidate/...          the version under examination, by hard link

A version appears whole or not at all: it is written to `mnist/.new` (Triton looks at numbers only) and renamed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

from backend.adapters.triton.archive import Archive
from backend.adapters.triton.model_config import CANDIDATE
from backend.domain.serving import TRITON_MODEL

_MODEL_FILE: Final = "model.onnx"
_CONFIG_FILE: Final = "config.pbtxt"
_STAGING: Final = ".new"


class ModelRepository:
    """The folder given to Triton as its model repository. One process changes it at a time: who holds the load lock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._model = root / TRITON_MODEL
        self._candidate = root / CANDIDATE

    def create(self) -> None:
        """Make the folders that Triton insists on; keeps what is there."""
        self._model.mkdir(parents=True, exist_ok=True)

    def install(self, archive: Archive, version: int) -> None:
        """Put the archive's model under the number `version`; the same bytes already there are kept."""
        file = self.model_file(version)
        folder = file.parent
        if file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == archive.onnx_sha256:
            return
        self.create()
        _write_folder(self._model / _STAGING, archive.onnx)
        shutil.rmtree(folder, ignore_errors=True)
        (self._model / _STAGING).rename(folder)
        (self._model / _CONFIG_FILE).write_text(archive.config_text, encoding="utf-8")

    def offer_candidate(self, archive: Archive, version: int) -> None:
        """Lay out the installed version a second time, as the model `mnist_candidate`."""
        self.remove_candidate()
        folder = self._candidate / str(version)
        folder.mkdir(parents=True)
        os.link(self.model_file(version), folder / _MODEL_FILE)
        (self._candidate / _CONFIG_FILE).write_text(archive.config_text, encoding="utf-8")

    def model_file(self, version: int) -> Path:
        """Where the model of an installed version lies."""
        return self._model / str(version) / _MODEL_FILE

    @property
    def has_candidate(self) -> bool:
        return self._candidate.exists()

    def remove_candidate(self) -> None:
        shutil.rmtree(self._candidate, ignore_errors=True)

    def keep_only(self, versions: set[int]) -> None:
        """Remove every other version, and what an interrupted installation left."""
        for folder in self._model.glob("[0-9]*"):
            if folder.name not in {str(version) for version in versions}:
                shutil.rmtree(folder)
        shutil.rmtree(self._model / _STAGING, ignore_errors=True)

    def clear(self) -> None:
        """Remove all that is in it. The folder itself stays: a server that is not ours may run on it."""
        for folder in self.root.glob("*"):
            shutil.rmtree(folder, ignore_errors=True)


def _write_folder(folder: Path, content: bytes) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    file = folder / _MODEL_FILE
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    file.chmod(0o444)
