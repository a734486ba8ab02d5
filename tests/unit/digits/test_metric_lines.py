from __future__ import annotations

import math
import re

import pytest

from backend.digits.metric_lines import (
    METRIC_NAMES,
    format_line,
    format_notice,
    metric_definitions,
    parse_line,
    parse_notice,
)


def test_a_line_comes_back_as_it_was_written() -> None:
    metrics = {"epoch": 3, "progress": 0.475, "train_loss": 0.0123456, "val_accuracy": 1.0, "learning_rate": 8e-06}

    assert parse_line(format_line(metrics) + "\n") == pytest.approx(metrics)


def test_a_loss_that_is_no_number_is_still_a_metric_line() -> None:
    parsed = parse_line(format_line({"epoch": 1, "train_loss": math.nan, "val_loss": -math.inf}))

    assert parsed is not None
    assert parsed["epoch"] == 1
    assert math.isnan(parsed["train_loss"])
    assert parsed["val_loss"] == -math.inf


def test_a_name_that_nobody_would_read_is_refused() -> None:
    with pytest.raises(ValueError, match="Unknown metric 'acc'"):
        format_line({"acc": 1.0})


@pytest.mark.parametrize("line", ["", "epoch=1;", "[metrics]", "[metrics] nothing here", "x [metrics] epoch=1;"])
def test_other_lines_are_not_metrics(line: str) -> None:
    assert parse_line(line) is None


@pytest.mark.parametrize("value", [0, 1, 0.5, 12345.678, 3e-07, 1e21, -2.5, 0.99])
@pytest.mark.parametrize("name", METRIC_NAMES)
def test_sagemaker_captures_just_the_number_of_each_metric(name: str, value: float) -> None:
    others = {other: 7.0 for other in METRIC_NAMES if other != name}
    regex = {definition["Name"]: definition["Regex"] for definition in metric_definitions()}[name]

    for line in (format_line({name: value, **others}), format_line({**others, name: value})):
        found = re.findall(regex, f"2026-01-01T00:00:00 {line}")
        assert [float(number) for number in found] == [pytest.approx(value, rel=1e-5)]
    assert re.findall(regex, format_line(others)) == []


def test_the_definitions_fit_sagemakers_limits() -> None:
    definitions = metric_definitions()

    assert len(definitions) <= 20
    assert all(
        len(definition["Regex"]) <= 500 and re.compile(definition["Regex"]).groups == 1 for definition in definitions
    )


def test_a_notice_is_one_line_and_comes_back() -> None:
    line = format_notice("MNIST cannot be had\n(no network): using 8x8 digits.")

    assert "\n" not in line
    assert parse_notice(line + "\n") == "MNIST cannot be had (no network): using 8x8 digits."
    assert parse_notice("MNIST cannot be had") is None
    assert parse_line(line) is None
    assert parse_notice(format_line({"epoch": 1})) is None
