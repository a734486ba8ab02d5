"""Somebody who talks to a stage's Triton directly, past all deployments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from backend.adapters.local.endpoint_folder import EndpointFolder, Wanted
from backend.adapters.local.endpoint_look import request_for
from backend.adapters.triton.archive import read_archive
from backend.adapters.triton.client import TritonClient
from backend.domain.serving import TRITON_MODEL, ServedModel, Stage


class Meddler:
    """For the stage of a real local platform, on which something was deployed."""

    def __init__(self, home: Path, stage: Stage) -> None:
        self.folder = EndpointFolder(home, stage)
        ports = self.folder.ports()
        assert ports is not None
        self._client = TritonClient(http_address=ports.address(ports.http), grpc_address=ports.address(ports.grpc))

    def load(self, model: ServedModel, archive: Path) -> None:
        """Another archive, as a deployment would load it."""
        content = read_archive(archive, sha256=model.sha256)
        self.folder.repository.install(content, model.version)
        self._load(replace(self._wanted(), model=model, onnx_sha256=content.onnx_sha256))

    def load_bare(self) -> None:
        """As by `curl -X POST .../v2/repository/models/mnist/load`: whatever lies there, as its config.pbtxt says."""
        status, body = self._client._call("POST", f"/v2/repository/models/{TRITON_MODEL}/load", 30.0)
        assert status == 200, body

    def configure(self, **changed: Any) -> None:
        """The same model with another configuration."""
        wanted = self._wanted()
        config: Mapping[str, Any] = {**wanted.config, **changed}
        self._load(replace(wanted, config=config))

    def change_file(self) -> None:
        """Cut off the end of the file that serves."""
        file = self.folder.repository.model_file(self._wanted().model.version)
        file.chmod(0o644)
        file.write_bytes(file.read_bytes()[:-10])

    def _load(self, wanted: Wanted) -> None:
        self._client.load(TRITON_MODEL, request_for(wanted))

    def _wanted(self) -> Wanted:
        wanted = self.folder.wanted()
        assert wanted is not None
        return wanted
