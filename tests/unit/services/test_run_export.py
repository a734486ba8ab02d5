"""Exported runs, read back with the tools that people read them with."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as parquet

from backend.domain.run_columns import parse_column
from backend.domain.tracking import History, Run
from backend.services.run_export import history_file, runs_file
from tests.fakes.tracking import FakeRuns

NAN = float("nan")
BEST = parse_column("loss@best")


def three() -> tuple[list[Run], Mapping[str, History]]:
    source = FakeRuns()
    runs = [
        source.add_run("one", {"loss": [0.5, 0.25], "val": [NAN, 0.75]}, config={"lr": 0.1, "net": {"width": 8}}),
        source.add_run(
            "=two", {"loss": [1.0]}, config={"lr": "auto", "flag": True}, tags=("a", "b"), name='=HYPER("x")'
        ),
        source.add_run("none"),
    ]
    return runs, source.histories([run.key for run in runs])


def read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def read_parquet(content: bytes) -> list[dict[str, Any]]:
    return list(parquet.read_table(io.BytesIO(content)).to_pylist())


def test_one_row_a_run_with_all_that_is_known() -> None:
    runs, _ = three()
    cells = {BEST: {run.key: value for run, value in zip(runs, (0.25, 1.0, None), strict=True)}}
    first, second, third = read_parquet(runs_file(runs, cells, "parquet"))
    assert (first["id"], first["loss@best"], first["config.net.width"], first["summary.val"]) == ("one", 0.25, 8, 0.75)
    assert (second["config.lr"], second["config.flag"], second["tags"]) == ("auto", True, "a, b")
    assert first["config.lr"] == "0.1", "one column, one type: not all of them are numbers"
    assert third["loss@best"] is None
    assert third["created_at"] == runs[2].created_at


def test_the_same_as_csv() -> None:
    runs, _ = three()
    first, _, third = read_csv(runs_file(runs, {}, "csv"))
    assert (first["id"], float(first["summary.loss"])) == ("one", 0.25)
    assert third["config.lr"] == ""


def test_a_name_is_no_formula_in_a_spreadsheet_and_itself_in_parquet() -> None:
    runs, histories = three()
    assert read_csv(runs_file(runs, {}, "csv"))[1]["name"] == '\'=HYPER("x")'
    assert read_csv(history_file(runs, histories, "csv"))[2]["name"] == '\'=HYPER("x")'
    assert read_parquet(runs_file(runs, {}, "parquet"))[1]["name"] == '=HYPER("x")'


def test_one_row_a_step_with_empty_places_where_nothing_was_logged() -> None:
    runs, histories = three()
    rows = read_parquet(history_file(runs, histories, "parquet"))
    assert [(row["id"], row["step"], row["loss"]) for row in rows] == [
        ("one", 0, 0.5),
        ("one", 1, 0.25),
        ("=two", 0, 1.0),
    ]
    assert math.isnan(rows[0]["val"])
    assert rows[1]["val"] == 0.75
    assert rows[1]["time"] - rows[0]["time"] == 1
    assert [row["val"] for row in read_csv(history_file(runs, histories, "csv"))] == ["", "0.75", ""]


def test_no_runs_are_a_file_without_rows() -> None:
    assert read_csv(history_file([], {}, "csv")) == []
    assert read_parquet(history_file([], {}, "parquet")) == []
    assert read_parquet(runs_file([], {}, "parquet")) == []
