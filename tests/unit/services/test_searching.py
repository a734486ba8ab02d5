"""Launching tuning jobs: defaults, refusals, events."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.domain.identity import Actor, Role
from backend.domain.jobs import JobStatus
from backend.domain.prediction import HardExample
from backend.domain.search_space import DEFAULT_SPACE, ParameterRange, parse_space
from backend.domain.serving import Stage
from backend.domain.tuning import Direction, StopMode, Strategy
from backend.errors import (
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    RefusedError,
    WrongStateError,
)
from backend.services.searching import TuningPlan
from tests.contract.training_platforms import wait_until
from tests.fakes import trainer
from tests.fakes.backend import NOON, World, make_world
from tests.fakes.serving import FakeServing

ADA = Actor(name="ada", role=Role.OPERATOR)
SPACE = tuple(parse_space(text) for text in DEFAULT_SPACE)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))


def test_the_defaults_are_the_older_projects(world: World) -> None:
    request = world.backend.searching.request(TuningPlan(preset="fast", space=SPACE), actor=ADA)
    assert (request.max_jobs, request.max_parallel, request.early_stopping) == (6, 1, False)
    assert (request.strategy, request.objective, request.direction) == (
        Strategy.BAYESIAN,
        "val_accuracy",
        Direction.MAXIMIZE,
    )
    assert request.name.startswith("tune-")
    assert len(request.name) <= 32
    assert not {"lr", "batch_size"} & request.hyperparameters.keys()  # searched, so no trial's own
    assert request.hyperparameters["epochs"] == 2


def test_the_direction_is_the_objectives_unless_said(world: World) -> None:
    def direction(**given: Direction) -> Direction:
        plan = TuningPlan(preset="fast", space=SPACE, objective="val_loss", **given)
        return world.backend.searching.request(plan, actor=ADA).direction

    assert direction() is Direction.MINIMIZE
    assert direction(direction=Direction.MAXIMIZE) is Direction.MAXIMIZE


def test_autotune_chooses_the_space(world: World) -> None:
    request = world.backend.searching.request(TuningPlan(preset="fast", autotune=True), actor=ADA)
    assert [parameter.name for parameter in request.space] == ["lr", "batch_size", "label_smoothing"]
    with pytest.raises(InvalidInputError, match="Autotune"):
        world.backend.searching.request(TuningPlan(preset="fast", autotune=True, space=SPACE), actor=ADA)


def test_viewers_are_refused_and_nothing_is_launched(world: World) -> None:
    viewer = Actor(name="eve", role=Role.VIEWER)
    searching = world.backend.searching
    for effect in (
        lambda: searching.tune(TuningPlan(preset="fast", space=SPACE), actor=viewer),
        lambda: searching.resume("search", actor=viewer),
        lambda: searching.stop("search", StopMode.NOW, actor=viewer),
    ):
        with pytest.raises(PermissionDeniedError):
            effect()
    assert list(world.backend.tuning.list_jobs()) == []


@pytest.mark.processes
def test_launched_stopped_and_resumed_each_leave_an_event(world: World) -> None:
    searching = world.backend.searching
    plan = TuningPlan(preset="fast", space=SPACE, name="search", overrides={"seed": trainer.HANGS})
    searching.tune(plan, actor=ADA, key="click")
    assert searching.tune(plan, actor=ADA, key="click").name == "search"
    with pytest.raises(WrongStateError, match="it is InProgress"):
        searching.resume("search", actor=ADA)
    searching.stop("search", StopMode.NOW, actor=ADA)
    wait_until(lambda: world.backend.tuning.describe("search").status is JobStatus.STOPPED)
    resumed = searching.resume("search", actor=ADA)
    assert (resumed.name, resumed.request.resumed_from) == ("search-r2", "search")
    searching.stop("search-r2", StopMode.NOW, actor=ADA)
    wait_until(lambda: world.backend.tuning.describe("search-r2").status is JobStatus.STOPPED)
    with pytest.raises(NotFoundError):
        searching.resume("nobody", actor=ADA)
    events = [(event.action, event.subject, event.outcome) for event in world.backend.audit.list_events(limit=20)]
    assert ("tune", "job search", "done") in events
    assert ("stop", "job search", "done") in events
    assert ("resume", "job search-r2", "done") in events
    assert any(action == "resume" and outcome == "refused" for action, _, outcome in events)
    (launched,) = [e for e in world.backend.audit.list_events(limit=20) if e.action == "tune"][-1:]
    assert launched.after["space"] == [parameter.text for parameter in SPACE]


@pytest.mark.processes
@pytest.mark.parametrize(
    ("overrides", "space"), [({"hard_examples": 0.2}, SPACE), ({}, (parse_space("hard_examples=0,0.1"),))]
)
def test_labelled_drawings_are_handed_over_when_any_trial_wants_them(
    world: World, overrides: dict[str, float], space: tuple[ParameterRange, ...]
) -> None:
    plan = TuningPlan(preset="fast", overrides=overrides, space=space, name="search", max_jobs=1)
    with pytest.raises(RefusedError, match="no drawing has been labelled yet"):
        world.backend.searching.tune(plan, actor=ADA)
    assert list(world.backend.tuning.list_jobs()) == []
    world.backend.examples.add(
        HardExample(id="one", label=3, predicted=8, version=1, stage=Stage.PROD, by="ada", at=NOON, pixels=bytes(784))
    )
    world.backend.searching.tune(plan, actor=ADA)
    assert (world.home.job("search").input_data / "hard_examples" / "hard-examples.npz").is_file()
    wait_until(lambda: world.backend.tuning.describe("search").status is JobStatus.COMPLETED, seconds=20)
