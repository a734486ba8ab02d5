from __future__ import annotations

from pathlib import Path

import pytest

from app.comparison_figures import confusion_difference, decided_first, differences, metric_columns, parameters, points
from app.components.accuracy_latency import Point, pareto_front
from app.components.metric_table import BEST, Column, best_of, written
from backend.domain.predictions import DataKind
from tests.fakes.backend import World, make_world
from tests.fakes.predictions import add_versions, measured, says
from tests.fakes.serving import FakeServing


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))
    add_versions(world, 4, tmp_path)
    return world


def test_the_best_is_marked_where_there_is_something_to_choose() -> None:
    accuracy = Column("Accuracy", [99.1, None, 99.5], "{:.2f} %", higher_is_better=True)
    latency = Column("p50", [0.2, 0.1, 0.3], "{:.1f} ms", higher_is_better=False)
    assert [written(accuracy, value) for value in accuracy.values] == ["99.10 %", "–", f"99.50 % {BEST}"]
    assert [written(latency, value) for value in latency.values] == ["0.2 ms", f"0.1 ms {BEST}", "0.3 ms"]
    assert best_of(Column("", [1.0, 1.0], "{}", higher_is_better=True)) is None
    assert best_of(Column("", [1.0, None], "{}", higher_is_better=True)) is None


def test_only_what_nobody_beats_on_both_is_on_the_front() -> None:
    def point(name: str, latency: float, accuracy: float) -> Point:
        return Point(name, latency, accuracy, accuracy, accuracy, 1.0)

    shown = [
        point("slow and best", 0.9, 99.6),
        point("beaten", 0.5, 99.2),
        point("fast", 0.1, 99.0),
        point("middle", 0.4, 99.4),
        point("as fast, worse", 0.1, 98.0),
        point("as good, slower", 0.6, 99.4),
    ]
    assert [one.name for one in pareto_front(shown)] == ["fast", "middle", "slow and best"]
    assert pareto_front([]) == []


def test_the_answers_that_decide_come_first(world: World) -> None:
    says(world, 1, range(40))
    says(world, 2, range(41))
    says(world, 3, range(90))
    says(world, 4, range(5))
    found = world.backend.comparing.compare(1, [2, 3, 4])
    assert [entry.name for entry in decided_first(found)] == ["v4", "v3", "v2"]
    assert [(d.name, round(d.points, 2), d.finding) for d in differences(found)] == [
        ("v2", -0.1, "CannotTell"),
        ("v3", -5.0, "Worse"),
        ("v4", 3.5, "Better"),
    ]


def test_what_only_a_training_said_is_no_metric(world: World, tmp_path: Path) -> None:
    world.add_job("job-a", sharpness=9.0)
    world.backend.registration.register_job("job-a", actor=world.backend.actor)
    for number in (1, 5):
        says(world, number, range(10 * number))
    measured(world, 1, latency_ms=0.07)
    found = world.backend.comparing.compare(1, [5, 2])
    columns = {column.label: list(column.values) for column in metric_columns(found)}
    assert columns["Accuracy"] == [99.0, pytest.approx(95.0), None]
    assert columns["Latency p50"] == [0.07, None, None]
    assert columns["Worst digit"][0] == pytest.approx(99.0)
    assert "Loss" not in columns, "it was measured on other images than these"
    assert [point.name for point in points(found)] == ["v1"]
    assert "Drawings" in columns
    for number in (1, 2):
        says(world, number, range(5), kind=DataKind.FREEHAND)
    drawn = metric_columns(world.backend.comparing.compare(1, [2], kind=DataKind.FREEHAND))
    assert "Drawings" not in [column.label for column in drawn]


def test_equal_hyperparameters_are_told_apart_from_those_that_differ() -> None:
    given = [
        {"epochs": 2, "lr": 0.004, "model": "lean_d"},
        {"epochs": 3, "lr": 0.004, "model": "lean_d"},
        {},
        {"epochs": 2, "lr": 0.004, "model": "lean_d", "brand_new": 1},
    ]
    told = parameters(given)
    assert dict(told.differ) == {"Epochs": ["2", "3", "–", "2"], "brand_new": ["–", "–", "–", "1"]}
    assert dict(told.equal) == {"Model": "lean_d", "Learning rate": "0.004"}
    assert parameters([{}, {}]).equal == parameters([]).differ == {}


def test_the_difference_of_matrices_is_candidate_minus_base() -> None:
    base, candidate = ((5, 1), (0, 6)), ((6, 0), (2, 4))
    assert confusion_difference(candidate, base) == [[1, -1], [2, -2]]
