"""Histories as arrays: gaps, resumed parts, and the one value of a metric."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

from backend.domain.run_columns import parse_column
from backend.domain.tracking import History, no_history
from backend.services.run_history import Columns, continued

NAN = float("nan")


def history(steps: list[int], segments: tuple[int, ...] = (0,), **columns: list[float]) -> History:
    return History(
        steps=array("q", steps),
        times=array("d", [1e9 + step for step in steps]),
        columns={name: array("d", values) for name, values in columns.items()},
        segments=segments,
    )


def test_a_metric_has_only_the_rows_that_logged_it() -> None:
    found = Columns(history([0, 1, 2, 3], loss=[1.0, 2.0, 3.0, 4.0], val=[NAN, 0.5, NAN, 0.7]))
    steps, values = found.metric("val")
    assert (list(steps), list(values)) == ([1, 3], [0.5, 0.7])
    assert list(found.metric("loss")[1]) == [1, 2, 3, 4]
    assert len(found.metric("absent")[0]) == 0


def test_infinity_was_logged_and_stays() -> None:
    assert list(Columns(history([0, 1], loss=[1.0, float("inf")])).metric("loss")[1]) == [1.0, float("inf")]


def test_a_resumed_part_goes_on_after_the_part_before() -> None:
    assert list(continued(np.array([0.0, 1, 2, 0, 1]), (0, 3))) == [0, 1, 2, 3, 4]
    assert list(continued(np.array([0.0, 1, 2, 0, 5, 0]), (0, 3, 5))) == [0, 1, 2, 3, 8, 9]


def test_one_that_went_on_counting_is_left_as_it_is() -> None:
    assert list(continued(np.array([0.0, 1, 2, 7, 8]), (0, 3))) == [0, 1, 2, 7, 8]


def test_the_history_itself_is_never_written_into() -> None:
    told = history([0, 1, 0, 1], (0, 2), loss=[1.0, 2.0, 3.0, 4.0])
    Columns(told).metric("loss")
    assert list(told.steps) == [0, 1, 0, 1]


def test_times_are_those_that_are_known() -> None:
    told = history([0, 1], loss=[1.0, 2.0])
    told.times[0] = NAN
    steps, seconds = Columns(told).times()
    assert (list(steps), list(seconds)) == ([1], [1e9 + 1])


def test_an_empty_history_has_nothing() -> None:
    found = Columns(no_history())
    assert len(found.metric("loss")[0]) == len(found.times()[0]) == 0


@pytest.mark.parametrize(("word", "value"), [("loss@best", 1.0), ("loss@first", 2.0), ("loss@at:1", 1.0)])
def test_the_value_of_a_column(word: str, value: float) -> None:
    found = Columns(history([0, 1, 2], loss=[2.0, 1.0, 3.0]))
    assert found.value(parse_column(word), smaller_is_better=True) == value
