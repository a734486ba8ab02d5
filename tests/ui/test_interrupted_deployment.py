"""A deployment whose process died: the pages say so and offer both ways on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import streamlit as st

from backend.domain.promotion import Deployment, Outcome
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from tests.fakes.backend import World
from tests.fakes.operations import RecordedOperations
from tests.ui.conftest import open_page, texts, use


def interrupted(world: World, *, stage: Stage = Stage.STAGING, switched: bool, only: bool = False) -> Deployment:
    """Version 1 was promoted, then the process that promoted version 2 died: after its switch, or before.

    With `only` there was nothing before version 2.
    """
    backend = world.backend
    for number, job in ((1, "job-a"), (2, "job-b")):
        world.add_job(job, sharpness=float(number))
        backend.registration.register_job(job, actor=backend.actor)
        backend.registration.decide(number, Approval.APPROVED, actor=backend.actor)
    other = Stage.PROD if stage is Stage.STAGING else Stage.STAGING
    first = backend.promotion.promote(other if only else stage, 1, actor=backend.actor)
    plan = backend.promotion.plan(stage, 2)
    if switched:
        backend.serving.deploy(stage, plan.target, backend.registry.fetch_archive(plan.version), lambda *_: None)
    dead = replace(
        first,
        id=f"{stage.value}-v2-dead",
        stage=stage,
        version=2,
        sha256=plan.target.sha256,
        previous=plan.serving,
        started_at=first.started_at + timedelta(microseconds=1),
        outcome=Outcome.IN_PROGRESS,
        ended_at=None,
    )
    backend.deployments.save(dead)
    return dead


@pytest.fixture
def operations(world: World, monkeypatch: pytest.MonkeyPatch) -> RecordedOperations:
    recorded = RecordedOperations()
    use(replace(world, backend=replace(world.backend, operations=recorded)), monkeypatch)
    return recorded


def test_before_its_switch_it_can_be_finished_and_there_is_nothing_to_undo(
    world: World, operations: RecordedOperations
) -> None:
    dead = interrupted(world, switched=False)
    assert "The deployment of v2 to staging died midway." in texts(open_page())

    app = open_page("promote", version="2", stage="staging", deployment=dead.id)
    undo = app.get_by_key("deployment_undo")
    assert undo.disabled
    assert undo.help == "Staging still serves v1: there is nothing to undo."
    app.get_by_key("deployment_finish").click().run()

    ((_, verb),) = operations.started
    first = world.backend.registry.get(1).sha256
    assert verb[:6] == ["promote", "2", "--to", "staging", "--expected", first]


def test_after_its_switch_it_can_be_undone(world: World, operations: RecordedOperations) -> None:
    dead = interrupted(world, switched=True)

    open_page("promote", version="2", stage="staging", deployment=dead.id).get_by_key("deployment_undo").click().run()

    ((_, verb),) = operations.started
    second = world.backend.registry.get(2).sha256
    assert verb[:5] == ["rollback", "--stage", "staging", "--expected", second]
    done = world.backend.promotion.roll_back(Stage.STAGING, actor=world.backend.actor)
    assert (done.version, done.outcome) == (1, Outcome.SUCCEEDED)
    st.cache_data.clear()  # the pages look again within a second
    said = texts(open_page("promote", version="2", stage="staging", deployment=dead.id))
    assert "Another deployment to staging came after this one." in said
    assert "died midway" not in texts(open_page())


def test_production_is_changed_only_after_a_question(world: World, operations: RecordedOperations) -> None:
    dead = interrupted(world, stage=Stage.PROD, switched=True)

    app = open_page("promote", version="2", stage="prod", deployment=dead.id)
    app.get_by_key("deployment_undo").click().run()
    assert operations.started == []
    app.get_by_key("confirm_apply").click().run()

    ((_, verb),) = operations.started
    assert verb[:3] == ["rollback", "--stage", "prod"]


@pytest.mark.parametrize(
    ("switched", "why"),
    [
        (False, "Staging serves nothing, as before: there is nothing to undo."),
        (True, "'staging' cannot be rolled back: nothing served well before what serves now."),
    ],
)
def test_the_first_deployment_ever_has_nothing_to_go_back_to(
    world: World, operations: RecordedOperations, switched: bool, why: str
) -> None:
    dead = interrupted(world, switched=switched, only=True)

    app = open_page("promote", version="2", stage="staging", deployment=dead.id)

    undo = app.get_by_key("deployment_undo")
    assert (undo.disabled, undo.help) == (True, why)
    assert not app.get_by_key("deployment_finish").disabled
