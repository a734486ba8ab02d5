"""What the runner does beyond serving: samples the traffic, takes the stage down when its time is over."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from backend.adapters.local import endpoint_sampler, endpoint_supervisor
from backend.adapters.local.endpoint_folder import EndpointFolder, RunnerState, take_lock
from backend.adapters.local.processes import is_held
from backend.domain.audit import AuditEvent
from backend.domain.lifetimes import Lifetime
from backend.domain.serving import Stage
from backend.domain.traffic import Sample
from backend.errors import EndpointUnavailableError, StoreError
from tests.fakes.triton_server import MODEL, NOON, OTHER, WANTED, Server, install_wanted, supervisor_of

PAGE = Path(__file__).with_name("metrics.txt").read_text().replace('version="1"', f'version="{MODEL.version}"')


def page(requests: int) -> str:
    """What Triton says when it has answered so many requests."""
    asked = rf'(nv_inference_request_success{{model="mnist",version="{MODEL.version}"}}) \d+'
    said, found = re.subn(asked, rf"\1 {requests}", PAGE)
    assert found == 1
    return said


class Time:
    """Both clocks of a runner; a beat lasts two seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def __getattr__(self, name: str) -> object:
        return getattr(__import__("time"), name)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(endpoint_supervisor, "time", time)
    monkeypatch.setattr(endpoint_sampler, "time", time)
    return time


@pytest.fixture
def folder(tmp_path: Path) -> EndpointFolder:
    folder = EndpointFolder(tmp_path, Stage.STAGING)
    install_wanted(folder)
    folder.want(WANTED)
    return folder


@pytest.fixture
def server() -> Server:
    server = Server()
    server.serves = MODEL
    return server


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Signals that the runner sent to itself."""
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append(number) if pid == os.getpid() else None)
    return sent


def beats(folder: EndpointFolder, server: Server, time: Time, **given: object) -> Callable[[int], None]:
    runner = supervisor_of(folder, server, clock=time.now, **given)  # type: ignore[arg-type]

    def run(times: int) -> None:
        for _ in range(times):
            time.seconds += runner._beat()

    return run


class TestSampling:
    @pytest.fixture
    def asked(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Requests that clients have made; Triton counts the runner's own among its total."""
        clients = [0]
        infer, own = server.infer, [0]

        def counted(images: object) -> None:
            infer(images)
            own[0] += 1

        monkeypatch.setattr(server, "infer", counted)
        monkeypatch.setattr(endpoint_sampler, "read_page", lambda *_, **__: page(clients[0] + own[0]))
        return clients

    def test_a_sample_a_minute_of_what_clients_asked(
        self, folder: EndpointFolder, server: Server, time: Time, asked: list[int]
    ) -> None:
        kept: list[tuple[Stage, Sample]] = []
        beat = beats(folder, server, time, keep=lambda stage, sample: kept.append((stage, sample)))
        beat(31)
        asked[0] = 90
        beat(62)
        assert {stage for stage, _ in kept} == {Stage.STAGING}
        assert [(sample.requests, sample.seconds) for _, sample in kept] == [(0, 60.0), (90, 60.0), (0, 60.0)]

    def test_the_minute_of_a_new_version_begins_when_it_serves(
        self, folder: EndpointFolder, server: Server, time: Time, asked: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept: list[Sample] = []
        beat = beats(folder, server, time, keep=lambda _, sample: kept.append(sample))
        beat(10)
        asked[0] = 500  # of the old version, whose counts are gone with it
        server.serves = OTHER
        folder.want(replace(WANTED, model=OTHER))
        said = endpoint_sampler.read_page
        monkeypatch.setattr(
            endpoint_sampler,
            "read_page",
            lambda *_, **__: said("").replace(f'version="{MODEL.version}"', f'version="{OTHER.version}"'),
        )
        beat(2)
        asked[0] += 40
        beat(32)
        assert [(sample.version, sample.requests, sample.seconds) for sample in kept] == [(OTHER.version, 40, 60.0)]

    def test_a_restart_of_the_server_and_a_store_that_fails_cost_a_minute_and_nothing_else(
        self, folder: EndpointFolder, server: Server, time: Time, asked: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept: list[Sample] = []
        fails = [True]

        def keep(_: Stage, sample: Sample) -> None:
            if fails[0]:
                raise StoreError("The disk is full.")
            kept.append(sample)

        beat = beats(folder, server, time, keep=keep)
        beat(61)
        fails[0] = False
        beat(31)
        assert len(kept) == 1
        with monkeypatch.context() as away:

            def nobody(*_: object, **__: object) -> str:
                raise EndpointUnavailableError("Triton's metrics cannot be reached.")

            away.setattr(endpoint_sampler, "read_page", nobody)
            beat(60)
        beat(31)
        assert len(kept) == 1  # the first look after the gap is one to compare with
        beat(31)
        assert len(kept) == 2
        status = folder.status()
        assert status is not None and status.state is RunnerState.RUNNING


class TestTimeToLive:
    def test_it_is_taken_down_when_its_time_is_over_and_not_before(
        self, folder: EndpointFolder, server: Server, time: Time, killed: list[int]
    ) -> None:
        events: list[AuditEvent] = []
        folder.keep_lifetime(Lifetime(until=NOON + timedelta(seconds=9)))
        beat = beats(folder, server, time, append=events.append)
        beat(4)
        assert (folder.wanted(), events, killed) == (WANTED, [], [])
        beat(2)
        assert folder.wanted() is None
        assert folder.lifetime() == Lifetime(taken_down_at=NOON + timedelta(seconds=10))
        assert list(folder.repository.root.iterdir()) == []
        assert (server.calls, killed) == (["stop"], [signal.SIGTERM])
        (event,) = events
        assert (event.actor, event.action, event.subject, event.outcome) == (
            "time to live",
            "expire",
            "stage staging",
            "done",
        )
        assert (event.before["version"], event.after["version"]) == (MODEL.version, None)
        # Until this process is gone nobody deploys to a server that is ending.
        assert is_held(folder.deploy_lock)

    def test_an_extension_keeps_it_serving(
        self, folder: EndpointFolder, server: Server, time: Time, killed: list[int]
    ) -> None:
        folder.keep_lifetime(Lifetime(until=NOON + timedelta(seconds=9)))
        beat = beats(folder, server, time)
        beat(4)
        folder.keep_lifetime(Lifetime(until=NOON + timedelta(hours=1)))
        beat(20)
        assert (folder.wanted(), killed) == (WANTED, [])

    def test_a_deployment_under_way_is_waited_for(
        self, folder: EndpointFolder, server: Server, time: Time, killed: list[int]
    ) -> None:
        folder.keep_lifetime(Lifetime(until=NOON))
        beat = beats(folder, server, time)
        with take_lock(folder.deploy_lock):
            beat(3)
            assert folder.wanted() == WANTED
        beat(1)
        assert folder.wanted() is None

    def test_what_cannot_be_recorded_is_not_done(
        self, folder: EndpointFolder, server: Server, time: Time, killed: list[int]
    ) -> None:
        folder.keep_lifetime(Lifetime(until=NOON))
        tried: list[AuditEvent] = []

        def append(event: AuditEvent) -> None:
            tried.append(event)
            if len(tried) < 3:
                raise StoreError("The disk is full.")

        beat = beats(folder, server, time, append=append)
        beat(2)
        assert (folder.wanted(), killed) == (WANTED, [])
        beat(1)
        assert folder.wanted() is None
