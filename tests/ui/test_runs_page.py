"""The runs page's table: what it lists, finds, sorts and chooses, and that the address says it all."""

from __future__ import annotations

import pytest

from app import run_queries
from tests.fakes.backend import World
from tests.ui.conftest import open_page, texts
from tests.ui.runs_steps import key, lines, names, parameter, three, ticked
from tests.ui.test_tuning_jobs import rows


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

    def test_a_value_that_is_a_number_in_one_run_and_a_word_in_another_is_a_word_in_all(self, world: World) -> None:
        for name, rate in (("a", 0.01), ("b", "auto"), ("c", 3)):
            world.runs.add_run(name, {"loss": [1.0]}, config={"lr": rate})
        world.runs.add_run("d", {"loss": [1.0]}, config={"other": True})
        found = {row["Run"]: row for row in rows(open_page("runs"), "runs_table")}
        assert [found[name]["lr"] for name in "abcd"] == ["0.01", "auto", "3", None]
        assert found["d"]["other"] == "True"

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
        assert names(app) == ["good"], "the best value is looked for in the history"

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

    def test_each_field_that_cannot_be_read_is_told(self, world: World) -> None:
        three(world)
        said = texts(open_page("runs", runs_name="(", runs_filter="lr <"))
        assert "The name is no regular expression: missing ): (." in said
        assert "The filter cannot be read at the end" in said

    def test_a_misspelt_name_is_told(self, world: World) -> None:
        three(world)
        said = texts(open_page("runs", runs_filter="config.lrr < 1"))
        assert "No run has 'config.lrr'. Did you mean config.lr?" in said
        said = texts(open_page("runs", runs_filter="config.lrr < 1 and config.modell == 'x'"))
        assert "No run has 'config.lrr'. Did you mean config.lr? No run has 'config.modell'." in said
        assert "No run matches" in said

    def test_nothing_matches_and_one_click_clears_it(self, world: World) -> None:
        three(world)
        app = open_page("runs", runs_filter="lr > 5", runs_state="Failed")
        assert "3 runs are there, none fits the filter." in texts(app)
        app.get_by_key("runs_clear_filter").click().run()
        assert len(names(app)) == 3


class TestChoosing:
    def test_the_first_rows_are_drawn_when_nobody_chose(self, world: World) -> None:
        for number in range(12):
            world.runs.add_run(f"r{number:02}", {"loss": [1.0, 0.5]})
        app = open_page("runs")
        assert lines(app) == [f"r{number:02}" for number in range(11, 3, -1)]
        assert "runs" not in app.query_params
        assert app.session_state["runs_table"]["selection"]["rows"] == list(range(8))
        app.get_by_key("runs_up1").set_value(True).run()
        assert lines(app) == [f"r{number:02}" for number in range(8)]

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
        app.get_by_key("runs_first").click().run()
        assert "runs" not in app.query_params

    def test_runs_of_the_address_that_are_gone_are_left_out(self, world: World) -> None:
        three(world)
        assert lines(open_page("runs", runs=f"{key('good')},{key('gone')}")) == ["good"]

    def test_no_run_chosen_is_said(self, world: World) -> None:
        three(world)
        assert "No run is chosen" in texts(open_page("runs", runs="none"))
