from __future__ import annotations

from pathlib import Path

import pytest

from backend.domain.identity import Actor, Role
from backend.domain.loadtest import LoadPlan, Reach
from backend.domain.registry import Approval
from backend.domain.serving import EndpointStatus, Stage
from backend.domain.traffic import Span
from backend.errors import EndpointUnavailableError, InvalidInputError, PermissionDeniedError, StageBusyError
from tests.fakes.backend import World, make_world
from tests.fakes.load import FakeLoad
from tests.fakes.serving import FakeServing

ADA = Actor(name="ada", role=Role.APPROVER)
OTTO = Actor(name="otto", role=Role.OPERATOR)
VERA = Actor(name="vera", role=Role.VIEWER)
PLAN = LoadPlan(concurrency=4, seconds=2)


@pytest.fixture
def load() -> FakeLoad:
    return FakeLoad(failing=3)


@pytest.fixture
def world(tmp_path: Path, load: FakeLoad) -> World:
    """Version 1 serves on both stages."""
    world = make_world(tmp_path, FakeServing(tmp_path / "locks"), load)
    world.add_job("job-1")
    world.backend.registration.register_job("job-1", actor=ADA)
    world.backend.registration.decide(1, Approval.APPROVED, actor=ADA)
    for stage in Stage:
        world.backend.promotion.promote(stage, 1, actor=ADA)
    return world


def ignore(seconds: float, requests: int, failed: int) -> None:
    """A `Progress` for tests that are not about it."""


def last_event(world: World) -> tuple[str, str, str, str]:
    event = world.backend.audit.list_events()[0]
    return event.actor, event.action, event.subject, event.outcome


def status(world: World, stage: Stage) -> EndpointStatus:
    return world.backend.serving.describe(stage).status


class TestLoadTest:
    def test_it_asks_the_stages_address_and_says_what_was_found(self, world: World, load: FakeLoad) -> None:
        told: list[tuple[float, int, int]] = []
        result = world.backend.endpoints.load_test(
            Stage.STAGING, PLAN, actor=OTTO, progress=lambda *news: told.append(news)
        )
        assert load.asked == [(world.backend.serving.describe(Stage.STAGING).url, PLAN)]
        assert (result.requests, result.failed) == (10, 3)
        assert told == [(1.0, 10, 3)]
        assert last_event(world) == ("otto", "loadtest", "stage staging", "done")
        assert world.backend.audit.list_events()[0].after["failed"] == 3

    def test_more_connections_than_can_be_driven_from_here_are_refused_with_the_reason(
        self, world: World, load: FakeLoad
    ) -> None:
        load.reach = Reach(connections=PLAN.concurrency - 1, remark="Each request is signed.")
        with pytest.raises(InvalidInputError, match=f"expected 1 to {PLAN.concurrency - 1} here") as refused:
            world.backend.endpoints.load_test(Stage.STAGING, PLAN, actor=OTTO, progress=ignore)
        assert refused.value.hint == "Each request is signed."
        assert load.asked == []

    def test_its_failures_count_as_our_clients_and_its_answers_in_no_mix(self, world: World, load: FakeLoad) -> None:
        world.backend.endpoints.load_test(Stage.PROD, PLAN, actor=OTTO, progress=ignore)
        (tally,) = world.backend.tallies.read(Stage.PROD, Span.HOUR)
        assert (tally.failed, tally.n) == (3, 0)

    def test_a_stage_that_is_down_is_not_asked(self, world: World, load: FakeLoad) -> None:
        world.backend.serving.suspend(Stage.PROD)
        with pytest.raises(EndpointUnavailableError, match=r"it is Failed\. It was stopped"):
            world.backend.endpoints.load_test(Stage.PROD, PLAN, actor=ADA, progress=ignore)
        assert load.asked == []
        assert last_event(world) == ("ada", "loadtest", "stage prod", "failed")

    def test_a_viewer_may_not(self, world: World, load: FakeLoad) -> None:
        with pytest.raises(PermissionDeniedError, match="run a load test"):
            world.backend.endpoints.load_test(Stage.PROD, PLAN, actor=VERA, progress=ignore)
        assert load.asked == []


class TestRestart:
    def test_a_stage_that_is_down_serves_again(self, world: World) -> None:
        world.backend.serving.suspend(Stage.PROD)
        world.backend.endpoints.restart(Stage.PROD, actor=OTTO)
        assert status(world, Stage.PROD) is EndpointStatus.IN_SERVICE
        assert last_event(world) == ("otto", "restart", "stage prod", "done")

    def test_a_viewer_may_not(self, world: World) -> None:
        world.backend.serving.suspend(Stage.PROD)
        with pytest.raises(PermissionDeniedError, match="restart prod"):
            world.backend.endpoints.restart(Stage.PROD, actor=VERA)
        assert status(world, Stage.PROD) is EndpointStatus.FAILED


class TestDelete:
    def test_it_ends_one_stage_and_keeps_the_rest(self, world: World) -> None:
        assert world.backend.endpoints.delete(Stage.PROD, actor=ADA).status is EndpointStatus.NOT_DEPLOYED
        assert status(world, Stage.STAGING) is EndpointStatus.IN_SERVICE
        assert [d.version for d in world.backend.promotion.history(Stage.PROD)] == [1]
        assert last_event(world) == ("ada", "delete", "stage prod", "done")
        assert world.backend.audit.list_events()[0].before == {"version": 1}
        world.backend.promotion.promote(Stage.PROD, 1, actor=ADA, expected="none")
        assert status(world, Stage.PROD) is EndpointStatus.IN_SERVICE

    def test_prod_needs_who_may_promote_to_it(self, world: World) -> None:
        with pytest.raises(PermissionDeniedError, match="delete prod"):
            world.backend.endpoints.delete(Stage.PROD, actor=OTTO)
        world.backend.endpoints.delete(Stage.STAGING, actor=OTTO)
        assert status(world, Stage.PROD) is EndpointStatus.IN_SERVICE

    def test_not_while_the_stage_is_being_changed(self, world: World) -> None:
        with world.backend.serving.hold(Stage.PROD, "bob"), pytest.raises(StageBusyError, match="bob"):
            world.backend.endpoints.delete(Stage.PROD, actor=ADA)
        assert status(world, Stage.PROD) is EndpointStatus.IN_SERVICE
