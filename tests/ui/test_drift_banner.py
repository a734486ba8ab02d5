"""The red banner: where it is, what it says, who may use which of its buttons, and what they start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.domain.audit import AuditEvent
from backend.domain.drift import DRIFTED, GUARD
from backend.domain.identity import Role
from backend.domain.registry import Approval
from backend.domain.serving import ServedModel, Stage
from tests.fakes.backend import World, now
from tests.fakes.operations import RecordedOperations
from tests.fakes.serving import FakeServing
from tests.ui.conftest import open_page, texts, use

PAGES = ("", "promote", "endpoints")
HEADLINE = "Production should serve v1 and serves v2."


def drifted(world: World, *, approved: bool = True) -> None:
    """Prod should serve version 1; somebody loaded version 2."""
    backend = world.backend
    for number in (1, 2):
        world.add_job(f"job-{number}", sharpness=number)
        backend.registration.register_job(f"job-{number}", actor=backend.actor)
    backend.registration.decide(1, Approval.APPROVED, actor=backend.actor)
    if approved:
        backend.registration.decide(2, Approval.APPROVED, actor=backend.actor)
    backend.promotion.promote(Stage.PROD, 1, actor=backend.actor)
    version = backend.registry.get(2)
    assert isinstance(backend.serving, FakeServing)
    backend.serving.load_past(
        Stage.PROD, ServedModel(version=2, sha256=version.sha256), backend.registry.fetch_archive(version)
    )
    seen = AuditEvent(at=now(), actor=GUARD, action="drift", subject="stage prod", outcome=DRIFTED)
    backend.audit.append(seen)


@pytest.fixture
def operations(world: World, monkeypatch: pytest.MonkeyPatch) -> RecordedOperations:
    recorded = RecordedOperations()
    use(replace(world, backend=replace(world.backend, operations=recorded)), monkeypatch)
    return recorded


@pytest.mark.parametrize("page", PAGES)
def test_it_is_on_every_page_that_shows_a_stage(world: World, operations: RecordedOperations, page: str) -> None:
    drifted(world)
    said = texts(open_page(page))
    assert HEADLINE in said
    assert "version: should be 1, is 2; archive: should be" in said
    assert "The guard saw it just now (" in said
    assert "What it should serve was deployed by ada just now." in said
    assert "No deployment of this dashboard made the change" in said
    assert "python -m backend guard restore --stage prod" in said


@pytest.mark.parametrize("page", PAGES)
def test_it_is_nowhere_as_long_as_all_is_in_step(world: World, operations: RecordedOperations, page: str) -> None:
    world.add_job("job-1")
    world.backend.registration.register_job("job-1", actor=world.backend.actor)
    world.backend.registration.decide(1, Approval.APPROVED, actor=world.backend.actor)
    world.backend.promotion.promote(Stage.PROD, 1, actor=world.backend.actor)
    app = open_page(page)
    assert "past all of them" not in texts(app)
    assert not [button for button in app.button if (button.key or "").startswith("drift_")]


@pytest.mark.parametrize("verb", ["restore", "accept"])
def test_a_button_asks_first_and_starts_the_command(world: World, operations: RecordedOperations, verb: str) -> None:
    drifted(world)
    app = open_page("endpoints")
    app.get_by_key(f"drift_{verb}_prod").click().run()
    assert operations.started == []
    app.get_by_key("confirm_apply").click().run()

    ((operation, words),) = operations.started
    served = world.backend.registry.get(2).sha256
    assert words[:6] == ["guard", verb, "--stage", "prod", "--expected", served]
    assert words[6:] == ["--deployment", operation]
    assert operation.startswith("prod-v1-" if verb == "restore" else "prod-v2-")


def test_who_may_do_what(world: World, operations: RecordedOperations, monkeypatch: pytest.MonkeyPatch) -> None:
    drifted(world)
    for role, restore, accept in (
        (Role.VIEWER, False, False),
        (Role.OPERATOR, True, False),
        (Role.APPROVER, True, True),
    ):
        use(world.acting_as(role), monkeypatch)
        app = open_page("promote")
        assert app.get_by_key("drift_restore_prod").disabled is not restore, role
        assert app.get_by_key("drift_accept_prod").disabled is not accept, role


def test_what_cannot_be_accepted_says_why(world: World, operations: RecordedOperations) -> None:
    drifted(world, approved=False)
    button = open_page("promote").get_by_key("drift_accept_prod")
    assert button.disabled
    assert "it is waiting for approval" in button.help


def test_the_card_of_the_stage_does_not_say_that_all_is_well(world: World, operations: RecordedOperations) -> None:
    drifted(world)
    assert "Drifted" in "\n".join(str(element.value) for element in open_page("endpoints").markdown)
