"""Columns and orders of the runs' table: words there and back, sorting with what is missing, what differs."""

from __future__ import annotations

from typing import Any

import pytest

from backend.domain.run_columns import Column, differing, in_order, parse_column, parse_order, smaller_is_better
from backend.errors import InvalidInputError


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ("state", "State"),
        ("config.lr", "lr"),
        ("config.data.sha256", "data.sha256"),
        ("summary.val/accuracy", "val/accuracy"),
        ("val/accuracy@best", "best val/accuracy"),
        ("val/accuracy@at:1000", "val/accuracy at 1,000"),
        ("odd@name@min", "min odd@name"),
    ],
)
def test_a_word_is_a_column_and_the_column_the_word(word: str, label: str) -> None:
    column = parse_column(word)
    assert (column.word, column.label) == (word, label)


@pytest.mark.parametrize("word", ["", "lr", "config.", "loss@median", "loss@at:", "loss@at:x", "@best"])
def test_anything_else_is_refused_with_the_kinds_there_are(word: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_column(word)
    assert "config.NAME" in caught.value.hint


def test_an_order_has_several_columns() -> None:
    orders = parse_order("-val/loss@best, name")
    assert [order.word for order in orders] == ["-val/loss@best", "name"]
    assert [order.descending for order in orders] == [True, False]
    assert parse_order("") == ()


def look(row: dict[str, Any], column: Column) -> Any:
    return row.get(column.name)


def test_equal_ones_are_sorted_by_the_second_column() -> None:
    rows = [{"lr": 1, "w": 2}, {"lr": 2, "w": 1}, {"lr": 1, "w": 1}]
    found = in_order(rows, parse_order("config.lr,-config.w"), look)
    assert found == [{"lr": 1, "w": 2}, {"lr": 1, "w": 1}, {"lr": 2, "w": 1}]


@pytest.mark.parametrize("order", ["config.x", "-config.x"])
def test_what_has_no_value_comes_last_whichever_end_is_first(order: str) -> None:
    rows = [{"x": None}, {"x": float("nan")}, {"x": 2}, {"x": 1}, {}, {"x": ""}]
    found = in_order(rows, parse_order(order), look)
    assert [row["x"] for row in found[:2]] == ([1, 2] if order == "config.x" else [2, 1])
    assert found[2] == {"x": None}


def test_numbers_come_before_words_and_case_does_not_count() -> None:
    rows = [{"x": "beta"}, {"x": 3}, {"x": "Alpha"}, {"x": True}]
    assert [row["x"] for row in in_order(rows, parse_order("config.x"), look)] == [True, 3, "Alpha", "beta"]


def test_rows_that_do_not_differ_keep_their_order() -> None:
    rows = [{"x": 1, "n": n} for n in range(5)]
    assert in_order(rows, parse_order("-config.x"), look) == rows


def test_what_differs_is_told_and_nothing_else() -> None:
    same: dict[str, Any] = {"a": 1, "b": "x"}
    assert differing([same, same]) == []
    assert differing([same, {"a": 1.5, "b": "x"}, same]) == ["a"]
    assert differing([same, {"b": "x"}]) == ["a"]
    assert differing([{"a": 1}, {"a": "1"}]) == ["a"]
    assert differing([]) == []


@pytest.mark.parametrize("name", ["loss", "val/loss", "train_loss", "test loss", "error", "val.mae", "latency_p99_ms"])
def test_small_is_good(name: str) -> None:
    assert smaller_is_better(name)


@pytest.mark.parametrize("name", ["accuracy", "val/accuracy", "glossary", "f1", "closs", "terror", "images_per_second"])
def test_large_is_good(name: str) -> None:
    assert not smaller_is_better(name)
