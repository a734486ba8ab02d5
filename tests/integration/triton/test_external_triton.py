"""Stages on Tritons that run already: whatever of ours ends, they go on; one that is not the stage's is left alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.local.external_server import ExternalTriton
from backend.adapters.local.processes import is_held
from backend.adapters.triton.canary import canary_images
from backend.domain.serving import TRITON_MODEL, EndpointStatus, ServedModel, Stage
from backend.errors import EndpointUnavailableError
from tests.contract import archives
from tests.contract.running_triton import SERVING_ENV, RunningTriton
from tests.integration.triton.test_supervision import wait_until

pytestmark = pytest.mark.triton

STAGE = Stage.STAGING


class World:
    """Two Tritons, one folder for their repositories, and the home of a dashboard: what compose brings up."""

    def __init__(self, root: Path, staging: RunningTriton, prod: RunningTriton) -> None:
        self.home = root / "home"
        self.tritons = {Stage.STAGING: staging, Stage.PROD: prod}
        self.repository = staging.repository
        self.folder = EndpointFolder(self.home, STAGE, self.repository)
        self.endpoints = self.with_servers({stage: triton.as_external for stage, triton in self.tritons.items()})
        self.archive = archives.good_archive(root / "model.tar.gz")
        self.target = ServedModel(version=1, sha256=archives.digest_of(self.archive))

    def with_servers(self, external: dict[Stage, ExternalTriton]) -> LocalEndpoints:
        return LocalEndpoints(self.home, SERVING_ENV, external=external)

    def deploy(self, stage: Stage = STAGE) -> None:
        endpoint = self.endpoints.deploy(stage, self.target, self.archive, lambda *_: None)
        assert endpoint.served == self.target, endpoint.detail

    def loaded(self, stage: Stage = STAGE) -> bool:
        """Asked of the server itself, past everything of ours."""
        return (TRITON_MODEL, 1) in self.tritons[stage].as_external.client.held()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Nothing is deployed in it."""
    with (
        RunningTriton(tmp_path / "one", tmp_path / "models" / "staging") as staging,
        RunningTriton(tmp_path / "two", tmp_path / "models" / "prod") as prod,
    ):
        world = World(tmp_path, staging, prod)
        yield world
        for stage in Stage:
            world.endpoints.delete(stage)


def test_each_stage_is_served_by_its_own_server_from_the_shared_folder(world: World) -> None:
    world.deploy()
    assert world.loaded()
    assert not world.loaded(Stage.PROD)
    world.deploy(Stage.PROD)
    for stage, triton in world.tritons.items():
        assert world.endpoints.describe(stage).url == triton.ports.url
        assert (triton.repository / "mnist" / "1" / "model.onnx").is_file()
        assert world.endpoints.predict(stage, canary_images()).version == 1


def test_a_server_that_was_restarted_is_given_its_model_again(world: World) -> None:
    world.deploy()
    world.tritons[STAGE].restart()
    assert not world.loaded()
    wait_until(world.loaded, 15)
    wait_until(lambda: world.endpoints.describe(STAGE).status is EndpointStatus.IN_SERVICE, 8)
    assert world.endpoints.predict(STAGE, canary_images()).version == 1


def test_it_serves_on_when_the_dashboard_dies_and_is_taken_up_as_it_is(world: World) -> None:
    world.deploy()
    status = world.folder.status()
    assert status is not None
    generation = world.tritons[STAGE].as_external.client.config()
    os.kill(status.pid, signal.SIGKILL)
    wait_until(lambda: not is_held(world.folder.lock), 4)
    assert world.loaded()
    assert world.endpoints.describe(STAGE).status is EndpointStatus.FAILED
    world.endpoints.resume(STAGE)
    wait_until(lambda: world.endpoints.describe(STAGE).status is EndpointStatus.IN_SERVICE, 15)
    assert world.tritons[STAGE].as_external.client.config() == generation  # not loaded anew


def test_a_stage_that_is_stopped_or_deleted_leaves_nothing_loaded_and_the_folder_in_place(world: World) -> None:
    world.deploy()
    world.endpoints.suspend(STAGE)
    wait_until(lambda: not world.loaded(), 8)
    world.endpoints.resume(STAGE)
    wait_until(world.loaded, 15)
    world.endpoints.delete(STAGE)
    wait_until(lambda: not world.loaded(), 8)
    assert list(world.repository.iterdir()) == []
    world.deploy()


def test_the_other_stages_server_is_recognised_and_left_alone(world: World) -> None:
    world.deploy(Stage.PROD)
    swapped = ExternalTriton(url=world.tritons[Stage.PROD].ports.url, repository=world.repository)
    with pytest.raises(EndpointUnavailableError, match="does not load models from"):
        world.with_servers({STAGE: swapped}).deploy(STAGE, world.target, world.archive, lambda *_: None)
    world.with_servers({STAGE: swapped}).delete(STAGE)
    assert world.loaded(Stage.PROD)
    assert not [entry for entry in world.repository.iterdir() if entry.name.startswith("mark-")]


def test_a_stage_moves_from_the_embedded_server_to_another_and_back(world: World) -> None:
    embedded = world.with_servers({})
    embedded.deploy(STAGE, world.target, world.archive, lambda *_: None)
    old = embedded.describe(STAGE).url
    world.endpoints.resume(STAGE)  # as the next start of the dashboard does; the other folder does not have the version
    wait_until(lambda: "cannot be served" in world.endpoints.describe(STAGE).detail, 15)
    world.deploy()
    assert world.endpoints.describe(STAGE).url == world.tritons[STAGE].ports.url != old
    wait_until(lambda: world.endpoints.describe(STAGE).status is EndpointStatus.IN_SERVICE, 8)
    back = world.with_servers({})
    back.deploy(STAGE, world.target, world.archive, lambda *_: None)
    wait_until(lambda: not world.loaded(), 8)
    assert back.describe(STAGE).served == world.target
    assert back.describe(STAGE).url.startswith("http://127.0.0.1:")
