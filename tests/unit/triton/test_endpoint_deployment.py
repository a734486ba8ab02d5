"""What a deployment does when a step fails, with a Triton that fails where each test tells it to."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.adapters.local import endpoint_deployment
from backend.adapters.local.endpoint_deployment import load_and_switch, validate
from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.triton.archive import Archive, read_archive
from backend.adapters.triton.client import Reply
from backend.adapters.triton.model_config import CANDIDATE, served_model
from backend.domain.promotion import STEPS
from backend.domain.serving import ServedModel, Stage
from backend.domain.steps import StepStatus
from backend.errors import (
    ArchiveRejectedError,
    DeploymentFailedError,
    DigitsError,
    EndpointUnavailableError,
    StoreError,
)
from tests.contract import archives

RIGHT = np.eye(10, dtype=np.float32)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Triton:
    """Keeps what is loaded; `wrong` are models that answer always 0, `errors` what calls raise."""

    def __init__(self) -> None:
        self.loaded: dict[str, ServedModel] = {}
        self.loads: list[tuple[str, int]] = []
        self.wrong: set[tuple[str, int]] = set()
        self.errors: dict[str, Exception] = {}
        self.leaving: list[tuple[str, int]] = []
        self.url = "http://127.0.0.1:18000"

    def load(self, name: str, request: str) -> None:
        if error := self.errors.get(f"load {name}"):
            raise error
        model = served_model(json.loads(request))
        assert model is not None
        if name in self.loaded:
            self.leaving.append((name, self.loaded[name].version))
        self.loaded[name] = model
        self.loads.append((name, model.version))

    def unload(self, name: str) -> None:
        if error := self.errors.get(f"unload {name}"):
            raise error
        self.loaded.pop(name, None)

    def served(self, *, model: str = "mnist") -> ServedModel | None:
        return self.loaded.get(model)

    def held(self) -> frozenset[tuple[str, int]]:
        """What was replaced is held for one more look."""
        if error := self.errors.get("held"):
            raise error
        leaving, self.leaving = self.leaving, []
        return frozenset([*leaving, *((name, model.version) for name, model in self.loaded.items())])

    def infer(self, _: object, *, model: str) -> Reply:
        if error := self.errors.get(f"infer {model}"):
            raise error
        version = self.loaded[model].version
        wrong = (model, version) in self.wrong
        answer = np.repeat(RIGHT[:1], 10, axis=0) if wrong else RIGHT
        return Reply(probabilities=answer, version=version, latency_ms=1.0)


class Stand:
    """A stage on which version 1 may serve already."""

    def __init__(self, root: Path) -> None:
        self.folder = EndpointFolder(root, Stage.STAGING)
        self.triton: Any = Triton()
        self.path = archives.good_archive(root / "model.tar.gz")
        self.archive: Archive = read_archive(self.path, sha256=archives.digest_of(self.path))
        self.steps: list[tuple[str, StepStatus]] = []
        self.seen: dict[str, str] = {}

    def target(self, version: int) -> ServedModel:
        return ServedModel(version=version, sha256=self.archive.sha256)

    def deploy(self, version: int) -> None:
        self.steps = []
        load_and_switch(
            self.folder,
            self.archive,
            self.target(version),
            self.report,
            start_server=lambda: self.triton,
            clock=lambda: NOON,
        )

    def report(self, step: str, status: StepStatus, detail: str) -> None:
        self.steps.append((step, status))
        self.seen[step] = detail

    @property
    def versions(self) -> list[str]:
        return sorted(path.name for path in (self.folder.repository.root / "mnist").glob("[0-9]*"))


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


def test_a_version_is_examined_beside_and_then_serves(stand: Stand) -> None:
    for version in (1, 2, 3):
        stand.deploy(version)
    assert stand.triton.loads[-2:] == [(CANDIDATE, 3), ("mnist", 3)]
    assert stand.triton.loaded == {"mnist": stand.target(3)}
    wanted = stand.folder.wanted()
    assert wanted is not None
    assert (wanted.model, wanted.since) == (stand.target(3), NOON)
    assert stand.versions == ["2", "3"]
    assert not stand.folder.repository.has_candidate


def test_each_step_tells_what_was_seen(stand: Stand) -> None:
    stand.deploy(1)
    stand.deploy(2)
    assert [step for step, status in stand.steps if status is StepStatus.COMPLETED] == list(STEPS[1:])
    assert stand.seen["warm"].startswith("5 requests of 10 images: first 1.0 ms")
    assert stand.seen["drain"].startswith("version 1 unloaded in ")
    assert stand.seen["verify"].endswith(f"version 2, SHA-256 {stand.archive.sha256[:12]} at http://127.0.0.1:18000")


def test_what_is_slow_to_unload_is_told_and_not_waited_for(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.deploy(1)
    monkeypatch.setattr(endpoint_deployment, "_DRAIN_S", 0.05)
    monkeypatch.setattr(stand.triton, "held", lambda: frozenset([("mnist", 1), ("mnist", 2)]))
    stand.deploy(2)
    assert stand.seen["drain"].startswith("version 1 still unloading after ")
    assert stand.folder.wanted().model == stand.target(2)  # type: ignore[union-attr]


def test_orders_that_were_written_stand_when_the_record_cannot_be(stand: Stand) -> None:
    """From the end of `verify` on the new version is kept: nothing may load the old one beside that order."""
    stand.deploy(1)

    def full(step: str, status: StepStatus, _: str) -> None:
        if (step, status) == ("verify", StepStatus.COMPLETED):
            raise StoreError("The database is full.")

    with pytest.raises(StoreError):
        load_and_switch(
            stand.folder,
            stand.archive,
            stand.target(2),
            full,
            start_server=lambda: stand.triton,
            clock=lambda: NOON,
        )
    assert stand.triton.loaded == {"mnist": stand.target(2)}
    assert stand.folder.wanted().model == stand.target(2)  # type: ignore[union-attr]


def test_a_version_that_fails_beside_never_serves(stand: Stand) -> None:
    stand.deploy(1)
    stand.triton.wrong.add((CANDIDATE, 2))
    with pytest.raises(DeploymentFailedError, match="1 of 10"):
        stand.deploy(2)
    assert ("mnist", 2) not in stand.triton.loads
    assert stand.triton.loaded == {"mnist": stand.target(1)}
    assert stand.steps[-1] == ("probe", StepStatus.FAILED)


def test_a_version_that_fails_after_the_switch_is_switched_back(stand: Stand) -> None:
    stand.deploy(1)
    stand.triton.wrong.add(("mnist", 2))
    with pytest.raises(DeploymentFailedError):
        stand.deploy(2)
    assert stand.triton.loads[-2:] == [("mnist", 2), ("mnist", 1)]
    assert stand.folder.wanted().model == stand.target(1)  # type: ignore[union-attr]
    assert stand.steps[-1] == ("verify", StepStatus.FAILED)


def test_a_first_version_that_fails_after_the_switch_is_unloaded(stand: Stand) -> None:
    stand.triton.wrong.add(("mnist", 1))
    with pytest.raises(DeploymentFailedError):
        stand.deploy(1)
    assert stand.triton.loaded == {}
    assert stand.folder.wanted() is None


def test_a_switch_that_triton_refuses_reloads_nothing(stand: Stand) -> None:
    stand.deploy(1)
    stand.triton.errors["load mnist"] = DeploymentFailedError("Triton refused")
    with pytest.raises(DeploymentFailedError, match="refused"):
        stand.deploy(2)
    assert stand.triton.loaded == {"mnist": stand.target(1)}


@pytest.mark.parametrize("call", [f"load {CANDIDATE}", f"infer {CANDIDATE}", "load mnist", f"unload {CANDIDATE}"])
def test_a_server_that_dies_leaves_the_orders_and_the_clearing_to_the_runner(stand: Stand, call: str) -> None:
    stand.deploy(1)
    gone = EndpointUnavailableError("The Triton server cannot be reached.")
    stand.triton.errors = {call: gone, f"unload {CANDIDATE}": gone}
    with pytest.raises(EndpointUnavailableError):
        stand.deploy(2)
    assert stand.folder.wanted().model == stand.target(1)  # type: ignore[union-attr]
    assert stand.folder.repository.has_candidate
    assert stand.versions == ["1", "2"]
    stand.triton.errors = {}
    stand.deploy(2)
    assert stand.triton.loaded == {"mnist": stand.target(2)}


@pytest.mark.parametrize("call", ["held", "infer mnist"])
def test_a_server_that_dies_after_the_switch_is_not_made_the_wanted_one(stand: Stand, call: str) -> None:
    stand.deploy(1)
    stand.triton.errors = {call: EndpointUnavailableError("The Triton server cannot be reached.")}
    with pytest.raises(EndpointUnavailableError):
        stand.deploy(2)
    assert stand.folder.wanted().model == stand.target(1)  # type: ignore[union-attr]
    assert stand.triton.loaded == {"mnist": stand.target(1)}
    assert not stand.folder.repository.has_candidate


def test_a_full_disk_is_a_failed_deployment(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.deploy(1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stand.folder.repository, "install", full)
    with pytest.raises(DeploymentFailedError, match="No space left on device"):
        stand.deploy(2)
    assert stand.steps[-1] == ("load", StepStatus.FAILED)
    assert stand.triton.loaded == {"mnist": stand.target(1)}


def test_orders_that_cannot_be_written_undo_the_switch(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.deploy(1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stand.folder, "want", full)
    with pytest.raises(DeploymentFailedError):
        stand.deploy(2)
    assert stand.triton.loaded == {"mnist": stand.target(1)}


def test_a_served_version_with_other_bytes_is_refused_before_anything(stand: Stand) -> None:
    stand.deploy(1)
    other = ServedModel(version=1, sha256="f" * 64)
    with pytest.raises(ArchiveRejectedError, match="asked for was ffff") as caught:
        validate(stand.folder, other, stand.path, lambda *_: None)
    assert isinstance(caught.value, DigitsError)
    assert "new version" in caught.value.hint
