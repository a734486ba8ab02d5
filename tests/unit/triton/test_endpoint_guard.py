"""The guard of a stage: what it takes for a drift, what it records, and that it leaves the stage alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backend.adapters.local.endpoint_folder import EndpointFolder, take_lock
from backend.adapters.local.endpoint_guard import EndpointGuard
from backend.adapters.local.endpoint_look import look
from backend.domain.audit import AuditEvent
from backend.domain.drift import DRIFTED, IN_STEP
from backend.domain.serving import ServedModel, Stage
from backend.errors import StoreError
from tests.fakes.triton_server import DIGEST, MODEL, NOON, OTHER, WANTED, Server, install_wanted, supervisor_of


@pytest.fixture
def folder(tmp_path: Path) -> EndpointFolder:
    folder = EndpointFolder(tmp_path, Stage.STAGING)
    install_wanted(folder)
    folder.want(WANTED)
    return folder


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def events() -> list[AuditEvent]:
    """What the guard has appended."""
    return []


@pytest.fixture
def beat(folder: EndpointFolder, server: Server, events: list[AuditEvent]) -> Callable[[int], None]:
    """Let the runner beat so many times."""
    runner = supervisor_of(folder, server, append=events.append)

    def run(times: int) -> None:
        for _ in range(times):
            runner._beat()

    return run


def test_another_version_is_recorded_once_and_left_to_a_person(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None], events: list[AuditEvent]
) -> None:
    server.serves = OTHER
    beat(3)
    assert (server.serves, server.calls) == (OTHER, [])
    (event,) = events
    assert (event.actor, event.action, event.subject, event.outcome) == ("guard", "drift", "stage staging", DRIFTED)
    assert (event.before["version"], event.after["version"]) == (4, 5)
    assert "version: should be 4, is 5; archive: should be aaaaaaaaaaaa, is cccccccccccc" in event.after["differences"]
    assert event.correlation


def test_that_it_is_over_is_recorded_too(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None], events: list[AuditEvent]
) -> None:
    server.serves = OTHER
    beat(1)
    server.serves = MODEL
    beat(2)
    assert [event.outcome for event in events] == [DRIFTED, IN_STEP]


def test_another_configuration_is_a_drift(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None], events: list[AuditEvent]
) -> None:
    server.serves, server.meddled = MODEL, {"instance_group": [{"count": 7, "kind": "KIND_CPU"}]}
    beat(1)
    assert [event.after["differences"] for event in events] == ["instances: should be 2, is 7"]


def test_a_model_that_nobody_of_ours_loaded_is_a_drift(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None], events: list[AuditEvent]
) -> None:
    """As after a bare load by hand: Triton takes the newest version, and no digest was asked for."""
    server.serves, server.meddled = MODEL, {"version_policy": {"latest": {"num_versions": 1}}, "parameters": {}}
    beat(1)
    (event,) = events
    assert (event.after["version"], server.calls) == (None, [])
    assert "version: should be 4, is not pinned" in event.after["differences"]


def test_other_bytes_on_the_disk_are_a_drift(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None], events: list[AuditEvent]
) -> None:
    server.serves = MODEL
    file = folder.repository.model_file(4)
    file.unlink()
    file.write_bytes(b"other")
    beat(1)
    assert [event.after["differences"][:32] for event in events] == ["model file on disk: should be " + DIGEST[:2]]


def test_nothing_is_noted_while_a_deployment_loads(
    folder: EndpointFolder, server: Server, beat: Callable[[int], None], events: list[AuditEvent]
) -> None:
    server.serves = OTHER
    with take_lock(folder.load_lock):
        beat(1)
    assert events == []


def test_an_event_that_could_not_be_kept_is_tried_again(folder: EndpointFolder, server: Server) -> None:
    server.serves = OTHER
    tried: list[AuditEvent] = []

    def append(event: AuditEvent) -> None:
        tried.append(event)
        if len(tried) == 1:
            raise StoreError("The disk is full.")

    guard = EndpointGuard(folder, Stage.STAGING, append, lambda: NOON)
    for _ in range(3):
        guard.note(look(folder, WANTED, server.client).drift, server.client)
    assert len(tried) == 2


@pytest.mark.parametrize("serves", [MODEL, None])
def test_what_is_over_when_it_is_looked_at_again_is_not_recorded(
    folder: EndpointFolder, server: Server, events: list[AuditEvent], serves: ServedModel | None
) -> None:
    """A deployment ended, or the server was started again, between the look and the lock."""
    server.serves = OTHER
    stale = look(folder, WANTED, server.client).drift
    server.serves = serves
    EndpointGuard(folder, Stage.STAGING, events.append, lambda: NOON).note(stale, server.client)
    assert (events, folder.drifting()) == ([], "")
