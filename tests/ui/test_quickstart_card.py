"""The quick start on Overview after it began: its steps, where they lead, and the way on after a failure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.domain.identity import Role
from backend.domain.operations import Operation, OperationStatus
from backend.domain.steps import Step, StepStatus
from backend.services.quickstart import STEPS
from tests.fakes.backend import NOON, World
from tests.ui.conftest import open_page, texts, use
from tests.ui.test_pages import serving


def ended_in(world: World, step: str, status: OperationStatus, error: str = "Port 18000 is taken.") -> Operation:
    """A quick start that came to this step and ended there; version 1 was made before."""
    at = STEPS.index(step)
    bad = StepStatus.FAILED if status is OperationStatus.FAILED else StepStatus.IN_PROGRESS
    stands = [*[StepStatus.COMPLETED] * at, bad, *[StepStatus.PENDING] * (len(STEPS) - at - 1)]
    operation = Operation(
        id="quickstart-1",
        kind="quickstart",
        requested_by="ada",
        started_at=NOON,
        ended_at=NOON,
        status=status,
        steps=tuple(Step(name=name, status=stand) for name, stand in zip(STEPS, stands, strict=True)),
        result={"job": "job-a", "version": 1, "staging": "staging-v1-0a0a0a0a"},
        error=error,
        hint="Free it.",
    )
    world.backend.quickstart._store.save(operation)
    return operation


def test_one_that_failed_says_why_and_is_retried_from_its_step(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    serving(world)
    ended_in(world, "staging", OperationStatus.FAILED)
    started: list[str] = []
    monkeypatch.setattr(world.backend.quickstart, "start", lambda *, actor, preset: started.append(preset))
    app = open_page()
    said = texts(app)
    assert "The quick start did not get to its end. What was done is kept." in said
    assert "Port 18000 is taken." in said
    assert "Free it." in said
    assert "python -m backend quickstart --preset fast" in said
    retry = app.get_by_key("quickstart")
    assert retry.label == "Retry from staging"
    retry.click().run()
    assert started == ["fast"]


def test_what_it_made_is_one_click_away(world: World) -> None:
    serving(world)
    ended_in(world, "staging", OperationStatus.FAILED)
    links = {link.proto.label: (link.proto.page, link.proto.query_string) for link in open_page().get("page_link")}
    assert links["job-a"] == ("jobs", "job=job-a")
    assert links["Version 1"] == ("promote", "version=1")
    assert links["staging-v1-0a0a0a0a"] == ("promote", "version=1&stage=staging&deployment=staging-v1-0a0a0a0a")


def test_one_whose_process_died_is_retried_too(world: World) -> None:
    dead = ended_in(world, "train", OperationStatus.IN_PROGRESS, error="")
    world.backend.quickstart._store.save(replace(dead, ended_at=None, result={}))
    app = open_page()
    assert "Its process died before it was done." in texts(app)
    assert app.get_by_key("quickstart").label == "Retry from train"


def test_who_may_not_ship_is_told_why(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ended_in(world, "prod", OperationStatus.FAILED)
    use(world.acting_as(Role.OPERATOR), monkeypatch)
    retry = open_page().get_by_key("quickstart")
    assert retry.disabled
    assert "to run the quick start, you need approver" in retry.help
