"""The runs page: what it lists, finds, sorts, draws and links, and that its address says it all."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import run_queries
from app.state import Key
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from backend.domain.tracking import MediaItem, RunSource, RunState
from backend.errors import PlatformError
from tests.fakes.backend import World
from tests.ui.conftest import open_page, texts
from tests.ui.test_tuning_jobs import rows

PIXEL = (  # a PNG of one pixel
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\nIDATx\x9cc`"
    b"\x00\x00\x00\x02\x00\x01H\xaf\xa4q\x00\x00\x00\x00IEND\xaeB`\x82"
)


def three(world: World) -> None:
    for name, rate, best, state in (
        ("slow", 0.001, 0.95, RunState.FINISHED),
        ("good", 0.01, 0.99, RunState.FINISHED),
        ("bad", 0.1, 0.50, RunState.FAILED),
    ):
        world.runs.add_run(
            name,
            {"val/accuracy": [0.1, best, best - 0.01], "val/loss": [2.0, 1.0 - best, 0.5], "epoch": [0, 1, 2]},
            config={"lr": rate, "model": "lean_c"},
            state=state,
            group="search" if name != "slow" else "",
            tags=("keep",) if name == "good" else (),
        )


def names(app: AppTest) -> list[str]:
    return [row["Run"] for row in rows(app, "runs_table")]


def table(app: AppTest, heading: str) -> list[dict[str, Any]]:
    """The table whose first column has this heading."""
    (found,) = [frame.value for frame in app.dataframe if frame.value.columns[0] == heading]
    return list(found.to_dict("records"))


def drawn(app: AppTest, key: str = "runs_chart") -> tuple[dict[str, Any], np.ndarray]:
    """Header and numbers of the charts as the browser gets them."""
    (chart,) = [element for element in app.get("bidi_component") if f"-{key}" in element.proto.id]
    content = chart.proto.bytes
    length = int.from_bytes(content[:4], "little")
    return json.loads(content[4 : 4 + length]), np.frombuffer(content[4 + length :], np.float32)


def lines(app: AppTest) -> list[str]:
    return [run["name"] for run in drawn(app)[0]["runs"]]


def ticked(app: AppTest, *numbers: int) -> AppTest:
    app.session_state["runs_table"] = {"selection": {"rows": list(numbers), "columns": [], "cells": []}}
    return app.run()


def parameter(app: AppTest, name: str) -> str:
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def key(name: str) -> str:
    return f"digit_classification/{name}"


class TestTheTable:
    def test_without_runs_it_leads_to_a_training(self, world: World) -> None:
        app = open_page("runs")
        assert "No runs yet" in texts(app)
        assert "Launch a training" in [link.proto.label for link in app.get("page_link")]

    def test_each_run_with_its_best_and_last_value_and_what_differs(self, world: World) -> None:
        three(world)
        found = {row["Run"]: row for row in rows(open_page("runs"), "runs_table")}
        assert list(found) == ["bad", "good", "slow"], "newest first"
        assert (found["good"]["best val/accuracy"], found["good"]["last val/accuracy"]) == (0.99, 0.98)
        assert (found["good"]["State"], found["bad"]["State"]) == (["Finished"], ["Failed"])
        assert found["good"]["lr"] == 0.01
        assert "model" not in found["good"], "all have the same"
        assert found["good"]["Course"] == [0.1, 0.99, 0.98]
        assert found["good"]["W&B"] == ["Not synced"]
        assert found["good"]["Tags"] == ["keep"]

    def test_a_loss_is_best_where_it_is_lowest(self, world: World) -> None:
        three(world)
        app = open_page("runs", runs_metric="val/loss")
        assert {row["Run"]: row["best val/loss"] for row in rows(app, "runs_table")}["good"] == pytest.approx(0.01)

    def test_sorts_by_one_column_and_equal_ones_by_another(self, world: World) -> None:
        three(world)
        assert names(open_page("runs", runs_sort1="config.lr", runs_up1="true")) == ["slow", "good", "bad"]
        app = open_page("runs")
        app.get_by_key("runs_sort1").set_value("val/accuracy@best").run()
        assert names(app) == ["good", "slow", "bad"]
        app.get_by_key("runs_sort1").set_value("group").run()
        app.get_by_key("runs_sort2").set_value("config.lr").run()
        app.get_by_key("runs_up2").set_value(True).run()
        assert names(app) == ["good", "bad", "slow"], "no group comes last"

    def test_columns_are_chosen_also_ones_that_no_list_offers(self, world: World) -> None:
        three(world)
        app = open_page("runs")
        app.get_by_key("runs_columns").set_value(["config.model", "val/accuracy@at:1", "nonsense"]).run()
        found = {row["Run"]: row for row in rows(app, "runs_table")}
        assert (found["slow"]["model"], found["slow"]["val/accuracy at 1"]) == ("lean_c", 0.95)
        assert "There is no column 'nonsense'." in texts(app)

    def test_a_clicked_row_opens_its_run(self, world: World) -> None:
        three(world)
        app = open_page("runs")
        app.session_state["runs_table"] = {"selection": {"rows": [0, 1, 2], "columns": [], "cells": [(1, "Run")]}}
        app.run()
        assert app.title[0].value == "good"

    def test_hundreds_are_on_pages(self, world: World) -> None:
        for number in range(120):
            world.runs.add_run(f"r{number}", {"loss": [1.0, 0.5]})
        assert len(names(open_page("runs"))) == 100


class TestFilters:
    def test_the_language(self, world: World) -> None:
        three(world)
        app = open_page("runs", runs_filter="config.lr < 0.05 and val/accuracy@best > 0.98")
        assert names(app) == ["good"] or names(app) == []

    @pytest.mark.parametrize(
        ("params", "expected"),
        [
            ({"runs_filter": 'lr < 0.05 and state == "finished"'}, ["good", "slow"]),
            ({"runs_filter": '"keep" in tags'}, ["good"]),
            ({"runs_name": "^(good|bad)$"}, ["bad", "good"]),
            ({"runs_state": "Failed"}, ["bad"]),
            ({"runs_tags": "keep"}, ["good"]),
            ({"runs_name": "d$", "runs_filter": "lr > 0.05"}, ["bad"]),
        ],
    )
    def test_from_the_address(self, world: World, params: dict[str, str], expected: list[str]) -> None:
        three(world)
        assert names(open_page("runs", **params)) == expected

    def test_a_filter_that_cannot_be_read_says_where_and_hides_nothing(self, world: World) -> None:
        three(world)
        app = open_page("runs", runs_filter="lr < ")
        assert "at the end: a name, a number or a text in quotes is missing" in texts(app)
        assert len(names(app)) == 3
        app = open_page("runs", runs_name="(")
        assert "no regular expression" in texts(app)
        assert len(names(app)) == 3

    def test_a_misspelt_name_is_told(self, world: World) -> None:
        three(world)
        said = texts(open_page("runs", runs_filter="config.lrr < 1"))
        assert "No run has 'config.lrr'. Did you mean config.lr?" in said
        assert "No run matches" in said

    def test_nothing_matches_and_one_click_clears_it(self, world: World) -> None:
        three(world)
        app = open_page("runs", runs_filter="lr > 5", runs_state="Failed")
        assert "3 runs are there, none fits the filter." in texts(app)
        app.get_by_key("runs_clear_filter").click().run()
        assert len(names(app)) == 3


class TestChoosing:
    def test_the_newest_are_drawn_when_nobody_chose(self, world: World) -> None:
        for number in range(12):
            world.runs.add_run(f"r{number:02}", {"loss": [1.0, 0.5]})
        app = open_page("runs")
        assert lines(app) == [f"r{number:02}" for number in range(11, 3, -1)]
        assert "runs" not in app.query_params
        assert app.session_state["runs_table"]["selection"]["rows"] == list(range(8))

    def test_ticks_go_into_the_address_and_to_the_charts(self, world: World) -> None:
        three(world)
        app = open_page("runs", runs=key("slow"))
        assert lines(app) == ["slow"]
        ticked(app, 1, 2)  # good, slow
        assert lines(app) == ["slow", "good"], "what was drawn keeps its colour"
        assert parameter(app, "runs") == f"{key('slow')},{key('good')}"
        ticked(app, 1)
        assert lines(app) == ["good"]
        ticked(app)
        assert "No run is chosen" in texts(app)

    def test_ticks_stay_with_their_runs_when_a_new_one_comes(self, world: World) -> None:
        three(world)
        app = ticked(open_page("runs"), 1)
        world.runs.add_run("newest", {"val/accuracy": [0.5]})
        run_queries.forget()
        app.run()
        assert names(app)[:3] == ["newest", "bad", "good"]
        assert lines(app) == ["good"]
        assert app.session_state["runs_table"]["selection"]["rows"] == [2]

    def test_unticking_one_of_all_leaves_the_others_whatever_comes(self, world: World) -> None:
        three(world)
        app = open_page("runs", runs="all")
        ticked(app, 0, 2)
        world.runs.add_run("newest", {"val/accuracy": [0.5]})
        run_queries.forget()
        app.run()
        assert lines(app) == ["newest", "bad", "slow"]

    def test_all_that_fit_are_drawn_with_one_click(self, world: World) -> None:
        three(world)
        app = open_page("runs", runs=key("slow"), runs_state="Finished")
        app.get_by_key("runs_all").click().run()
        assert lines(app) == ["good", "slow"]
        assert parameter(app, "runs") == "all"
        app.get_by_key("runs_newest").click().run()
        assert "runs" not in app.query_params

    def test_runs_of_the_address_that_are_gone_are_left_out(self, world: World) -> None:
        three(world)
        assert lines(open_page("runs", runs=f"{key('good')},{key('gone')}")) == ["good"]

    def test_no_run_chosen_is_said(self, world: World) -> None:
        three(world)
        assert "No run is chosen" in texts(open_page("runs", runs="none"))


class TestCharts:
    def test_one_panel_for_each_metric_and_none_for_the_epoch(self, world: World) -> None:
        three(world)
        head, _ = drawn(open_page("runs"))
        assert [panel["title"] for panel in head["panels"]] == ["val/accuracy", "val/loss"]
        assert [panel["note"] for panel in head["panels"]] == ["highest 0.99, good", "lowest 0.01, good"]

    def test_everything_that_is_chosen_comes_from_the_address(self, world: World) -> None:
        three(world)
        head, _ = drawn(
            open_page(
                "runs",
                runs_metrics="loss",
                runs_x="epoch",
                runs_smooth="0.5",
                runs_logy="true",
                runs_logx="true",
                zoom="1,2",
            )
        )
        assert [panel["title"] for panel in head["panels"]] == ["val/loss"]
        assert (head["x"]["title"], head["x"]["log"], head["log_y"]) == ("epoch", True, True)
        assert (head["range"], head["cut"]) == ([1, 2], True)
        assert {kind for _, kind, _, _ in head["panels"][0]["lines"]} == {0, 1}, "a raw line under each"

    def test_averages_by_a_part_of_the_configuration(self, world: World) -> None:
        three(world)
        app = open_page("runs", runs_group="group", runs_band="range")
        assert lines(app) == ["search (2)", "(none) (1)"]
        head, numbers = drawn(app)
        _, kind, start, n = head["panels"][0]["lines"][0]
        assert kind == 2
        assert numbers[start + n : start + 3 * n].tolist() == pytest.approx([0.1, 0.5, 0.49, 0.1, 0.99, 0.98])

    def test_a_zoom_goes_into_the_address_and_out_of_it(self, world: World) -> None:
        three(world)
        app = open_page("runs", zoom="nonsense")
        assert drawn(app)[0]["range"] is None
        assert drawn(open_page("runs", zoom="0.5,1.5"))[0]["range"] == [0.5, 1.5]

    def test_a_wrong_expression_is_told_and_an_unknown_metric_too(self, world: World) -> None:
        three(world)
        assert "This is no regular expression" in texts(open_page("runs", runs_metrics="("))
        assert "No metric of these runs fits 'nothing'." in texts(open_page("runs", runs_metrics="nothing"))

    def test_runs_without_numbers_are_said_to_have_none(self, world: World) -> None:
        world.runs.add_run("empty")
        assert "None of these runs has logged a number yet." in texts(open_page("runs"))


class TestLive:
    def test_a_look_that_finds_nothing_new_draws_nothing(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        three(world)
        app = open_page("runs")
        before = drawn(app)[0]["revision"]
        run_queries.forget()
        app.run()
        assert drawn(app)[0]["revision"] == before
        assert app.session_state[Key.RUNS_TOKEN] == world.runs.token()

    def test_a_run_that_grew_is_drawn_again(self, world: World) -> None:
        three(world)
        app = open_page("runs")
        before = drawn(app)[0]["revision"]
        world.runs.add_run("good", {"val/accuracy": [0.1, 0.99, 0.98, 0.999]}, config={"lr": 0.01})
        run_queries.forget()
        app.run()
        assert drawn(app)[0]["revision"] != before
        assert "highest 0.999, good" in drawn(app)[0]["panels"][0]["note"]

    def test_a_source_that_fails_is_said_and_spoils_nothing(self, world: World) -> None:
        three(world)
        world.runs.failure = PlatformError("The server does not answer.", hint="Look at the network.")
        app = open_page("runs")
        said = texts(app)
        assert names(app) == ["bad", "good", "slow"]
        assert "This machine: as of 12:00:00" in said
        assert "The server does not answer." in said


class TestViews:
    def test_only_what_differs_or_all_of_the_configuration(self, world: World) -> None:
        three(world)
        app = open_page("runs", runs_view="Configuration")
        (row,) = table(app, "Configuration")
        assert row == {"Configuration": "lr", "bad": "0.1", "good": "0.01", "slow": "0.001"}
        app.get_by_key("runs_differs").set_value(False).run()
        assert [row["Configuration"] for row in table(app, "Configuration")] == ["lr", "model"]

    def test_the_same_configurations_are_said_to_be_the_same(self, world: World) -> None:
        for name in ("a", "b"):
            world.runs.add_run(name, {"loss": [1.0]}, config={"lr": 0.1})
        assert "Their configurations are the same." in texts(open_page("runs", runs_view="Configuration"))

    def test_system_metrics_of_each_run_over_its_time(self, world: World) -> None:
        world.runs.add_run("a", {"loss": [1.0]}, system={"cpu": [10.0, 90.0], "memory": [1.0, 2.0]})
        head, _ = drawn(open_page("runs", runs_view="System"), "runs_system")
        assert [panel["title"] for panel in head["panels"]] == ["cpu", "memory"]
        assert (head["x"]["kind"], head["panels"][0]["best"]) == ("duration", [])

    def test_pictures_of_the_newest_step_with_their_captions(self, world: World) -> None:
        items = [
            (
                MediaItem(metric="test/mistakes", step=step, path=f"m/{step}.png", kind="image-file", caption=caption),
                PIXEL,
            )
            for step, caption in ((1, "2 read as 7"), (5, "3 read as 8"))
        ]
        world.runs.add_run("a", {"loss": [1.0]}, media=items)
        app = open_page("runs", runs_view="Media")
        assert "3 read as 8" in texts(app)
        assert "2 read as 7" not in texts(app)
        app.get_by_key("runs_media_step_test/mistakes").set_value(1).run()
        assert "2 read as 7" in texts(app)

    def test_the_console_is_text_and_nothing_else(self, world: World) -> None:
        world.runs.add_run("a", {"loss": [1.0]}, console=["epoch 1 \x1b[31mred\x1b[0m", "<b>done</b>"])
        (viewer,) = open_page("runs", runs_view="Console").get("bidi_component")
        assert json.loads(viewer.proto.json)["text"] == "epoch 1 red\n<b>done</b>"

    @pytest.mark.parametrize(
        ("view", "said"),
        [
            ("Configuration", "It recorded no configuration."),
            ("System", "These runs recorded nothing of their machines."),
            ("Media", "These runs logged no pictures or other files."),
            ("Console", "W&B recorded nothing that this run printed."),
        ],
    )
    def test_what_is_not_there_is_said(self, world: World, view: str, said: str) -> None:
        world.runs.add_run("a", {"loss": [1.0]})
        assert said in texts(open_page("runs", runs_view=view))

    def test_data_that_cannot_be_had_is_a_panel_and_the_table_stays(self, world: World) -> None:
        three(world)
        world.runs.failure = PlatformError("The server does not answer.")
        app = open_page("runs", runs_view="Media")
        assert "Read the media: this did not work." in texts(app)
        assert len(names(app)) == 3


class TestOneRun:
    def test_says_what_it_is(self, world: World) -> None:
        three(world)
        app = open_page("runs", run=key("good"))
        assert app.title[0].value == "good"
        numbers = {metric.label: metric.value for metric in app.metric}
        assert numbers["Highest val/accuracy"] == "0.99"
        assert numbers["Lowest val/loss"] == "0.01"
        assert lines(app) == ["good"]
        assert {row["Summary"] for row in table(app, "Summary")} == {"epoch", "val/accuracy", "val/loss"}

    def test_leads_to_its_job_version_and_endpoint_and_the_job_back(self, world: World) -> None:
        world.add_job("job-a")
        world.backend.registration.register_job("job-a", actor=world.backend.actor)
        world.backend.registration.decide(1, Approval.APPROVED, actor=world.backend.actor)
        world.backend.promotion.promote(Stage.STAGING, 1, actor=world.backend.actor)
        world.runs.add_run("job-a", {"val/accuracy": [0.9, 0.95]})
        links = {
            link.proto.label: (link.proto.page, link.proto.query_string)
            for link in open_page("runs", run="job-a").get("page_link")
        }
        assert links["Job job-a"] == ("jobs", "job=job-a")
        assert links["Version 1"] == ("promote", "version=1")
        assert links["Serving on staging"] == ("endpoints", "stage=staging")

    def test_one_that_is_on_a_server_leads_there_and_nowhere_else(self, world: World) -> None:
        world.runs.add_run("a", synced=True, url="https://wandb.example/ada/p/runs/a", sources=(RunSource.CLOUD,))
        world.runs.add_run("b", synced=True, url="javascript:alert(1)")
        links = [link.proto.url for link in open_page("runs", run="a").get("link_button")]
        assert links == ["https://wandb.example/ada/p/runs/a"]
        assert open_page("runs", run="b").get("link_button") == []

    def test_a_foreign_address_is_no_error(self, world: World) -> None:
        assert "No such run" in texts(open_page("runs", run="p/x"))

    def test_what_is_wrong_with_its_file_is_said(self, world: World) -> None:
        world.runs.add_run("a", {"loss": [1.0]}, damaged=3, notice="Written by a newer wandb.")
        said = texts(open_page("runs", run="a"))
        assert "3 places of its file could not be read" in said
        assert "Written by a newer wandb." in said


def test_exports_are_made_when_somebody_asks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    three(world)
    asked: list[object] = []
    monkeypatch.setattr("app.views.run_export.history_file", lambda *_: asked.append(1) or b"")
    app = open_page("runs")
    assert {button.key for button in app.get("download_button")} >= {
        "runs_export_runs_csv",
        "runs_export_runs_parquet",
        "runs_export_histories_csv",
        "runs_export_histories_parquet",
    }
    assert asked == []
