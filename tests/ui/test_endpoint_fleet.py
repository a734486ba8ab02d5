"""Instances and alarms on the Endpoints page, where the platform has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from backend.domain.capabilities import Unsupported
from backend.domain.identity import Role
from backend.domain.scaling import Autoscaling, Scale
from backend.domain.serving import Stage
from backend.services.auditing import Auditor
from backend.services.fleets import FleetService
from tests.fakes.backend import World, now
from tests.ui.conftest import open_page, use
from tests.ui.test_pages import registered


class FakeFleets:
    """`Fleets` in memory."""

    def __init__(self) -> None:
        self.unsupported: Unsupported = {}
        self.scale = Scale(instances=1, desired=1)
        self.watched: list[Stage] = []

    def read(self, stage: Stage) -> Scale:
        return self.scale

    def set(self, stage: Stage, instances: int) -> None:
        self.scale = replace(self.scale, desired=instances)

    def set_automatically(self, stage: Stage, rule: Autoscaling) -> None:
        self.scale = replace(self.scale, autoscaling=rule)

    def set_by_hand(self, stage: Stage) -> None:
        self.scale = replace(self.scale, autoscaling=None)

    def watch(self, stage: Stage) -> Sequence[str]:
        self.watched.append(stage)
        return ("errors", "latency")


@pytest.fixture
def fleets(world: World, monkeypatch: pytest.MonkeyPatch) -> FakeFleets:
    """Version 1 serves at prod, on a platform with fleets."""
    registered(world)
    world.backend.promotion.promote(Stage.PROD, 1, actor=world.backend.actor)
    fleets = FakeFleets()
    service = FleetService(fleets, world.backend.serving, Auditor(world.backend.audit, now))
    use(replace(world, backend=replace(world.backend, scales=fleets, fleets=service)), monkeypatch)
    return fleets


def test_a_stage_is_scaled_by_hand_and_the_audit_log_says_so(world: World, fleets: FakeFleets) -> None:
    app = open_page("endpoints")
    app.number_input(key="fleet_instances").set_value(3).run()
    app.button(key="fleet_scale").click().run()
    assert fleets.scale.desired == 3
    event = world.backend.audit.list_events()[0]
    assert (event.action, event.subject, event.before, event.after) == (
        "scale",
        "stage prod",
        {"instances": 1},
        {"instances": 3},
    )


def test_a_stage_follows_the_load_until_that_is_turned_off(fleets: FakeFleets) -> None:
    app = open_page("endpoints")
    app.number_input(key="fleet_maximum").set_value(4).run()
    app.button(key="fleet_by_load").click().run()
    assert fleets.scale.autoscaling == Autoscaling(minimum=1, maximum=4, per_minute=600)
    app.button(key="fleet_by_hand").click().run()
    assert fleets.scale.autoscaling is None


def test_alarms_are_set(fleets: FakeFleets) -> None:
    app = open_page("endpoints")
    app.button(key="fleet_alarms").click().run()
    assert fleets.watched == [Stage.PROD]


def test_who_may_not_promote_may_not_scale(world: World, fleets: FakeFleets, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = replace(world.acting_as(Role.OPERATOR).backend, scales=fleets)
    use(replace(world, backend=backend), monkeypatch)
    app = open_page("endpoints")
    assert app.button(key="fleet_alarms").disabled
    assert app.button(key="fleet_by_load").disabled
