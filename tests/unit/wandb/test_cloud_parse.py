from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from backend.adapters.wandb.cloud_columns import Columns
from backend.adapters.wandb.cloud_parse import (
    is_within,
    parse_console,
    parse_definitions,
    parse_media,
    parse_run,
    parse_time,
    with_stats,
)
from backend.domain.tracking import MetricStats, RunSource, RunState


def document(**given: Any) -> dict[str, Any]:
    return {
        "id": "r1",
        "name": "first",
        "entity": "acme",
        "project": "digits",
        "url": "https://wandb.example/acme/digits/runs/r1",
        "state": "finished",
        "created_at": "2026-11-23T12:00:00",
        "heartbeat_at": "2026-11-23T12:05:00Z",
        "tags": ["a"],
        "group": "g",
        "job_type": "train",
        "notes": "",
        "config": {"lr": 0.1, "data": {"name": "mnist"}},
        "summary": {"loss": "NaN", "acc": {"max": 0.9}, "_runtime": 290, "_wandb": {"runtime": 1}},
        "environment": {"python": "3.11"},
        "definitions": [],
        "rows": 3,
        "last_step": 2,
        "metrics": ["_runtime", "_step", "_timestamp", "acc", "loss"],
        **given,
    }


def test_a_run_is_what_the_server_says() -> None:
    run = parse_run(document())
    assert (run.key, run.name, run.sources, run.synced) == ("digits/r1", "first", (RunSource.CLOUD,), True)
    assert run.created_at == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert run.ended_at == run.updated_at == datetime(2026, 11, 23, 12, 5, tzinfo=UTC)
    assert (run.runtime, run.rows, run.last_step, run.metrics) == (290, 3, 2, ("acc", "loss"))
    assert run.flat_config == {"lr": 0.1, "data.name": "mnist"}
    assert math.isnan(run.summary["loss"])
    assert run.flat_summary["acc.max"] == 0.9
    assert "_wandb" not in run.summary


@pytest.mark.parametrize(
    ("said", "state", "ended"),
    [
        ("running", RunState.RUNNING, False),
        ("preempting", RunState.RUNNING, False),
        ("failed", RunState.FAILED, True),
        ("killed", RunState.FAILED, True),
        ("crashed", RunState.CRASHED, True),
        ("something new", RunState.CRASHED, True),
    ],
)
def test_every_state_has_one_of_ours_and_another_word_is_told(said: str, state: RunState, ended: bool) -> None:
    run = parse_run(document(state=said))
    assert (run.state, run.ended_at is not None) == (state, ended)
    assert (said in run.notice) == (said != state.value)


def test_the_revision_changes_with_anything_that_is_told() -> None:
    said = [document(), document(notes="x"), document(last_step=3), document(state="running"), document(tags=[])]
    assert len({parse_run(one).revision for one in said}) == len(said)
    assert parse_run(document()).revision == parse_run(document()).revision


def test_definitions_are_read_from_the_numbers_of_their_fields() -> None:
    told = [
        {"1": "epoch", "6": [3]},
        {"2": "*", "5": 1, "6": [1, 3]},
        {"1": "val/loss", "5": 1, "6": [2], "7": [1], "8": 1},
    ]
    epoch, star, loss = parse_definitions(told)
    assert (epoch.name, epoch.step_metric, epoch.hidden) == ("epoch", "", False)
    assert (star.name, star.step_metric) == ("*", "epoch")
    assert (loss.step_metric, loss.summaries, loss.goal, loss.hidden) == ("epoch", ("min",), "minimize", True)


def test_a_history_at_hand_adds_its_statistics() -> None:
    columns = Columns()
    for step, loss in ((0, 3.0), (1, "NaN"), (5, 1.0), (6, 2.0)):
        columns.add({"_step": step, "loss": loss})
    columns.add({"_step": 7})
    run = parse_run(document())
    whole = with_stats(run, columns)
    assert whole.stats == {
        "loss": MetricStats(count=3, last=2.0, minimum=1.0, minimum_step=5, maximum=3.0, maximum_step=0)
    }
    assert (whole.rows, whole.last_step) == (5, 7)
    assert whole.revision != run.revision


def test_paths_that_lead_out_of_the_run_are_left_out() -> None:
    columns = Columns()
    for path in ("media/a.png", "../secret", "/etc/passwd", "media/../../x", "a\\..\\b", ""):
        columns.add({"_step": 1, "m": {"_type": "image-file", "path": path}})
    assert [item.path for item in parse_media(columns)] == ["media/a.png"]
    assert is_within("media/..a.png")


def test_one_line_too_many_tells_that_there_are_earlier_ones() -> None:
    lines = [{"text": f"{i}\n", "level": "error" if i else "", "at": "2026-11-23T12:00:00+00:00"} for i in range(3)]
    console = parse_console(lines, wanted=2)
    assert [(line.text, line.stream) for line in console.lines] == [("1", "stderr"), ("2", "stderr")]
    assert console.earlier
    assert not parse_console(lines, wanted=3).earlier


def test_times_without_a_zone_are_utc_and_nonsense_is_none() -> None:
    assert parse_time("2026-11-23T12:00:00") == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert parse_time("2026-11-23T13:00:00+01:00") == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert (parse_time("soon"), parse_time(None)) == (None, None)
