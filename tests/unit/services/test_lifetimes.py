"""The time to live: who may extend it, and the guard that takes a stage down where the platform does not."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend.domain.capabilities import Feature
from backend.domain.lifetimes import Lifetime
from backend.domain.registry import Approval
from backend.domain.serving import EndpointStatus, Stage
from backend.errors import InvalidInputError, StageBusyError, WrongStateError
from tests.fakes.backend import World, make_world
from tests.fakes.serving import FakeServing

STAGE = Stage.STAGING
PAST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Version 1 serves at staging, on a platform that takes nothing down by itself."""
    world = make_world(tmp_path, FakeServing(tmp_path / "locks"))
    actor = world.backend.actor
    world.add_job("job-1")
    world.backend.registration.register_job("job-1", actor=actor)
    world.backend.registration.decide(1, Approval.APPROVED, actor=actor)
    world.backend.promotion.promote(STAGE, 1, actor=actor)
    world.backend.serving.unsupported = {Feature.TAKE_DOWN: "Nobody runs there."}
    return world


def status(world: World) -> EndpointStatus:
    return world.backend.serving.describe(STAGE).status


def test_nothing_is_taken_down_before_its_time(world: World) -> None:
    actor = world.backend.actor
    assert world.backend.expiry.take_down_due(actor=actor) == []
    world.backend.expiry.extend(STAGE, 1, actor=actor)
    assert world.backend.expiry.take_down_due(actor=actor) == []
    assert status(world) is EndpointStatus.IN_SERVICE


def test_what_is_over_is_taken_down_once_and_its_era_ends_there(world: World) -> None:
    actor = world.backend.actor
    world.backend.lifetimes.keep(STAGE, Lifetime(until=PAST))
    (endpoint,) = world.backend.expiry.take_down_due(actor=actor)
    assert (endpoint.stage, endpoint.status) == (STAGE, EndpointStatus.NOT_DEPLOYED)
    assert world.backend.expiry.take_down_due(actor=actor) == []
    event = world.backend.audit.list_events()[0]
    assert (event.action, event.subject, event.outcome) == ("expire", "stage staging", "done")
    assert (event.before["version"], event.after["version"]) == (1, None)
    taken = world.backend.lifetimes.read(STAGE).taken_down_at
    assert taken is not None and datetime.now(UTC) - taken < timedelta(minutes=1)
    assert [era.model for era in world.backend.evidence.eras(STAGE)][-1] is None


def test_where_the_platform_takes_it_down_the_guard_leaves_it_alone(world: World) -> None:
    world.backend.serving.unsupported = {}
    world.backend.lifetimes.keep(STAGE, Lifetime(until=PAST))
    assert world.backend.expiry.take_down_due(actor=world.backend.actor) == []
    assert status(world) is EndpointStatus.IN_SERVICE


def test_a_deployment_under_way_is_not_cut(world: World) -> None:
    world.backend.lifetimes.keep(STAGE, Lifetime(until=PAST))
    with world.backend.serving.hold(STAGE, "grace, promoting"), pytest.raises(StageBusyError, match="grace"):
        world.backend.expiry.take_down_due(actor=world.backend.actor)
    assert status(world) is EndpointStatus.IN_SERVICE


def test_what_cannot_be_extended_says_why(world: World) -> None:
    actor = world.backend.actor
    with pytest.raises(InvalidInputError, match="'prod' has no time to live"):
        world.backend.expiry.extend(Stage.PROD, 1, actor=actor)
    with pytest.raises(InvalidInputError, match="cannot be extended by -2 hours"):
        world.backend.expiry.extend(STAGE, -2, actor=actor)
    world.backend.serving.delete(STAGE)
    with pytest.raises(WrongStateError, match="nothing is deployed"):
        world.backend.expiry.extend(STAGE, 1, actor=actor)


def test_one_that_somebody_extends_while_the_guard_waits_for_the_stage_serves_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.backend.lifetimes.keep(STAGE, Lifetime(until=PAST))
    hold = world.backend.serving.hold

    def hold_after_somebody(stage: Stage, holder: str) -> AbstractContextManager[None]:
        world.backend.lifetimes.keep(stage, Lifetime(until=datetime.now(UTC) + timedelta(hours=1)))
        return hold(stage, holder)

    monkeypatch.setattr(world.backend.serving, "hold", hold_after_somebody)
    assert world.backend.expiry.take_down_due(actor=world.backend.actor) == []
    assert status(world) is EndpointStatus.IN_SERVICE
