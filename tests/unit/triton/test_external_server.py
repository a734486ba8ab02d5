"""Driving a Triton that is not ours: patience, recognition, and what is never done to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backend.adapters.local import external_server
from backend.adapters.local.database import Database
from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.local.external_server import PATIENCE_S, ExternalServer, ExternalTriton, ForeignServerError
from backend.adapters.local.home import Home
from backend.adapters.triton.client import AnswerTimeoutError
from backend.adapters.triton.server import Ports
from backend.domain.serving import EndpointStatus, Stage
from backend.errors import EndpointUnavailableError, NotFoundError
from backend.ports.probes import Probe
from backend.settings import Settings
from backend.wiring.local import local_platform

URL = "http://triton-prod:9000"


class Triton:
    """Stands for the client of a server whose model repository is `repository`."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.away: Exception | None = None
        self.calls: list[str] = []

    def listed(self, **_: Any) -> frozenset[str]:
        self._answer()
        return frozenset(path.name for path in self.repository.iterdir())

    def server_name(self, **_: Any) -> str:
        self._answer()
        return "triton"

    def unload(self, model: str, **_: Any) -> None:
        self._answer()
        self.calls.append(f"unload {model}")

    def _answer(self) -> None:
        if self.away is not None:
            raise self.away


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(external_server, "time", clock)
    return clock


@pytest.fixture
def triton(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Triton:
    triton = Triton(tmp_path / "models")
    monkeypatch.setattr(ExternalTriton, "client", triton)
    return triton


@pytest.fixture
def folder(tmp_path: Path, triton: Triton) -> EndpointFolder:
    return EndpointFolder(tmp_path, Stage.PROD, triton.repository)


@pytest.fixture
def server(folder: EndpointFolder, triton: Triton, clock: Clock) -> ExternalServer:
    return ExternalServer(folder, ExternalTriton(url=URL, repository=triton.repository), Stage.PROD)


@pytest.mark.parametrize(
    ("url", "http", "address"),
    [
        ("http://triton-prod:9000", 9000, "triton-prod:9001"),
        ("http://triton-prod", 8000, "triton-prod:8001"),
        ("http://[::1]:8010", 8010, "[::1]:8011"),
    ],
)
def test_its_three_ports_follow_each_other(url: str, http: int, address: str, tmp_path: Path) -> None:
    ports = ExternalTriton(url=url, repository=tmp_path).ports
    assert ports.all == (http, http + 1, http + 2)
    assert ports.address(ports.grpc) == address


def test_one_that_loads_from_the_stages_folder_is_ready_and_its_address_is_kept(
    server: ExternalServer, folder: EndpointFolder, triton: Triton
) -> None:
    assert server.keep_running()
    assert folder.ports() == Ports(http=9000, grpc=9001, metrics=9002, host="triton-prod", external=True)
    assert [path.name for path in triton.repository.iterdir()] == ["mnist"]


def test_one_with_another_repository_is_refused_at_once_and_never_told_anything(
    server: ExternalServer, triton: Triton, tmp_path: Path
) -> None:
    triton.repository = tmp_path / "theirs"
    triton.repository.mkdir()
    with pytest.raises(ForeignServerError, match="does not load models from") as refused:
        server.keep_running()
    assert "DIGITS_TRITON_PROD_URL" in refused.value.hint
    server.stop()
    assert triton.calls == []


def test_one_that_is_away_is_waited_for_and_then_said_to_be_away(
    server: ExternalServer, triton: Triton, clock: Clock
) -> None:
    triton.away = EndpointUnavailableError("The Triton server at http://triton-prod:9000 cannot be reached.")
    assert not server.keep_running()
    assert "cannot be reached" in server.last_exit
    clock.now += PATIENCE_S + 1
    with pytest.raises(EndpointUnavailableError) as away:
        server.keep_running()
    assert "DIGITS_TRITON_PROD_URL" in away.value.hint
    triton.away = None
    assert server.keep_running()
    triton.away = EndpointUnavailableError("gone again")
    assert not server.keep_running()  # patience begins anew


def test_one_that_serves_may_be_too_busy_to_answer(server: ExternalServer, triton: Triton) -> None:
    triton.away = AnswerTimeoutError("did not answer within 1 s")
    assert not server.keep_running()
    triton.away = None
    assert server.keep_running()
    triton.away = AnswerTimeoutError("did not answer within 1 s")
    assert server.keep_running()


def test_stopping_unloads_what_serves(server: ExternalServer, triton: Triton) -> None:
    server.stop()
    assert triton.calls == []  # it was never seen to be the stage's
    server.keep_running()
    server.stop()
    assert triton.calls == ["unload mnist", "unload mnist_candidate"]
    assert not server.is_ready


def test_one_that_is_slow_to_unload_one_model_is_told_to_unload_the_other_too(
    server: ExternalServer, triton: Triton, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.keep_running()
    told: list[str] = []

    def unload(model: str, **_: Any) -> None:
        told.append(model)
        raise EndpointUnavailableError("It did not answer within 5 s.")

    monkeypatch.setattr(triton, "unload", unload)
    server.stop()
    assert told == ["mnist", "mnist_candidate"]
    assert not server.is_ready


def test_one_that_does_not_serve_what_was_loaded_is_left_to_whoever_runs_it(
    server: ExternalServer, triton: Triton, clock: Clock
) -> None:
    server.keep_running()
    server.kill()
    with pytest.raises(EndpointUnavailableError, match="restart it"):
        server.keep_running()
    clock.now += 11
    assert server.keep_running()


def test_a_stage_on_it_says_so_also_when_its_folder_is_damaged(tmp_path: Path, triton: Triton) -> None:
    external = ExternalTriton(url=URL, repository=triton.repository)
    endpoints = LocalEndpoints(tmp_path, tmp_path / "no serving environment", external={Stage.PROD: external})
    said = endpoints.describe(Stage.PROD).external
    assert "triton-prod:9000" in said and "DIGITS_TRITON_PROD_URL" in said
    assert endpoints.describe(Stage.STAGING).external == ""
    folder = EndpointFolder(tmp_path, Stage.PROD, triton.repository)
    folder.root.mkdir(parents=True)
    (folder.root / "wanted.json").write_text("{ torn")
    damaged = endpoints.describe(Stage.PROD)
    assert (damaged.status, damaged.external) == (EndpointStatus.FAILED, said)


def test_its_own_log_is_not_here(tmp_path: Path) -> None:
    made = Home(tmp_path)
    settings = Settings(DIGITS_HOME=tmp_path, DIGITS_TRITON_PROD_URL=URL, DIGITS_TRITON_REPOSITORY=tmp_path / "models")
    platform = local_platform(
        settings,
        home=made,
        database=Database(made.database),
        environment={},
        serving_environment=tmp_path,
        wandb=Probe(name="W&B", look=lambda: ""),
    )
    logs = platform.upkeep.logs
    assert (logs.sources(Stage.PROD), logs.sources(Stage.STAGING)) == (("supervisor",), ("Triton", "supervisor"))
    with pytest.raises(NotFoundError, match="No log 'Triton' of 'prod'"):
        logs.read(Stage.PROD, "Triton")
    assert platform.serving.describe(Stage.PROD).external
