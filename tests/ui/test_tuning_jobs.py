"""Jobs: searches among trainings, their trials on demand, several stopped at once, and a search's own page."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backend.domain.jobs import JobStatus
from backend.domain.tuning import StopMode, TuningJob
from tests.fakes.backend import World, now
from tests.ui.conftest import open_page, texts


def rows(app: AppTest, key: str) -> list[dict[str, Any]]:
    """What the table says, row by row; empty cells are None."""
    (table,) = [frame for frame in app.dataframe if frame.key == key]
    return [{name: _plain(value) for name, value in row.items()} for row in table.value.to_dict("records")]


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return None if isinstance(value, float) and math.isnan(value) else value


def ticked(app: AppTest, *numbers: int) -> AppTest:
    app.session_state["jobs_table"] = {"selection": {"rows": list(numbers), "columns": [], "cells": []}}
    return app.run()


class TestTheTable:
    def test_searches_stand_among_trainings_and_trials_are_out_of_the_way(self, world: World) -> None:
        world.add_job("alone")
        world.add_tuning_job("search", values=(0.95, 0.98), early=(1,))
        found = {row["Job"]: row for row in rows(open_page("jobs"), "jobs_table")}
        assert set(found) == {"alone", "search"}
        assert (found["search"]["Kind"], found["alone"]["Kind"]) == (["Tuning"], ["Training"])
        assert (found["search"]["Best value"], found["search"]["Progress"]) == (0.98, 100)

    def test_a_toggle_shows_the_trials_and_the_address_keeps_it(self, world: World) -> None:
        world.add_tuning_job("search", values=(0.95, 0.98))
        app = open_page("jobs")
        app.get_by_key("jobs_trials").set_value(True).run()
        assert app.query_params["trials"] == "1"
        assert [row["Kind"] for row in rows(app, "jobs_table")].count(["Trial"]) == 2
        assert len(rows(open_page("jobs", trials="1"), "jobs_table")) == 3

    def test_filters_by_kind_and_sorts_by_value(self, world: World) -> None:
        world.add_job("a-training")
        world.add_tuning_job("worse", values=(0.5,))
        world.add_tuning_job("better", values=(0.99,))
        app = open_page("jobs")
        app.get_by_key("jobs_kind").set_value(["Tuning"]).run()
        app.get_by_key("jobs_sort").set_value("Best value").run()
        assert [row["Job"] for row in rows(app, "jobs_table")] == ["better", "worse"]

    def test_a_clicked_row_opens_its_job(self, world: World) -> None:
        world.add_tuning_job("search")
        app = open_page("jobs")
        app.session_state["jobs_table"] = {"selection": {"rows": [], "columns": [], "cells": [(0, "Kind")]}}
        app.run()
        assert app.title[0].value == "search"

    def test_several_are_stopped_at_once_after_a_question(self, world: World) -> None:
        for name in ("one", "two", "three"):
            world.add_tuning_job(name, JobStatus.IN_PROGRESS, (None,), archives=False)
        world.add_tuning_job("ended")
        app = open_page("jobs")
        app.get_by_key("jobs_sort").set_value("Name").run()
        ticked(app, 0, 1, 3)  # ended, one, two
        assert app.get_by_key("jobs_stop").label == "Stop 2 jobs"
        app.get_by_key("jobs_stop").click().run()
        assert world.backend.tuning.describe("one").status is JobStatus.IN_PROGRESS
        app.get_by_key("confirm_apply").click().run()
        stopped = {job.name: job.status for job in world.backend.tuning.list_jobs()}
        assert stopped == {
            "one": JobStatus.STOPPING,
            "two": JobStatus.STOPPING,
            "three": JobStatus.IN_PROGRESS,
            "ended": JobStatus.COMPLETED,
        }

    def test_what_has_ended_cannot_be_stopped_and_says_so(self, world: World) -> None:
        world.add_tuning_job("search")
        app = ticked(open_page("jobs"), 0)
        assert app.get_by_key("jobs_stop").disabled
        app.get_by_key("jobs_open").click().run()
        assert app.title[0].value == "search"

    def test_ticks_stay_with_their_jobs_when_a_new_one_comes(self, world: World) -> None:
        world.add_tuning_job("old", JobStatus.IN_PROGRESS, (None,))
        app = ticked(open_page("jobs"), 0)
        world.add_tuning_job("new", JobStatus.IN_PROGRESS, (None,), created=now())
        from app import queries

        queries.forget_jobs()
        app.run()
        assert [row["Job"] for row in rows(app, "jobs_table")] == ["new", "old"]
        assert app.session_state["jobs_table"]["selection"]["rows"] == [1]
        app.get_by_key("jobs_stop").click().run()
        app.get_by_key("confirm_other").click().run()
        assert world.searches.get("old").stop_mode is StopMode.AFTER_RUNNING
        assert world.searches.get("new").stop_mode is None


class TestASearch:
    def test_says_how_it_went(self, world: World) -> None:
        world.add_tuning_job("search", values=(0.95, 0.98, 0.6), early=(3,), early_stopping=True)
        app = open_page("jobs", job="search")
        numbers = {metric.label: metric.value for metric in app.metric}
        assert numbers["Trials ended"] == "3 of 3"
        assert numbers["Best val_accuracy"] == "0.98"
        assert numbers["Epochs saved"] == "1"
        assert {chart.key for chart in app.get("echarts_chart")} == {"tuning_curves", "tuning_history"}

    def test_unfinished_trials_have_empty_cells(self, world: World) -> None:
        world.add_tuning_job("search", JobStatus.IN_PROGRESS, (0.95, None, 0.6), early=(3,), max_jobs=6)
        found = rows(open_page("jobs", job="search"), "tuning_trials")
        assert [row["Status"] for row in found] == [["Completed"], ["Running"], ["Stopped early"]]
        assert [row["val_accuracy"] for row in found] == [0.95, None, 0.59]
        assert [row[""] for row in found] == ["\N{BLACK STAR}", "", ""]

    def test_a_running_one_says_that_one_may_leave(self, world: World) -> None:
        world.add_tuning_job("search", JobStatus.IN_PROGRESS, (0.95, None), max_jobs=6)
        (bar,) = open_page("jobs", job="search").get("progress")
        assert "trial 2 in epoch 1 of 2" in bar.text
        assert "left" in bar.text
        assert bar.text.endswith("You may leave this page.")

    def test_the_best_trial_is_registered_with_one_click(self, world: World) -> None:
        world.add_tuning_job("search", values=(0.95, 0.98, 0.96))
        app = open_page("jobs", job="search")
        app.get_by_key("job_register").click().run()
        (version,) = world.backend.registry.list_versions()
        assert version.source_job == "search-002-abcd"
        assert f"Version {version.version}" in [
            link.proto.label for link in open_page("jobs", job="search").get("page_link")
        ]

    def test_without_a_completed_trial_there_is_nothing_to_register(self, world: World) -> None:
        world.add_tuning_job("search", JobStatus.IN_PROGRESS, (None,))
        assert open_page("jobs", job="search").get_by_key("job_register").disabled

    @pytest.mark.parametrize(
        ("button", "mode"), [("confirm_apply", StopMode.NOW), ("confirm_other", StopMode.AFTER_RUNNING)]
    )
    def test_stop_asks_which_of_two_ways(self, world: World, button: str, mode: StopMode) -> None:
        world.add_tuning_job("search", JobStatus.IN_PROGRESS, (0.95, None))
        app = open_page("jobs", job="search")
        app.get_by_key("job_stop").click().run()
        assert world.searches.get("search").stop_mode is None
        assert (app.get_by_key("confirm_other").label, app.get_by_key("confirm_apply").label) == (
            "Stop after the running trials",
            "Stop now",
        )
        app.get_by_key(button).click().run()
        assert world.searches.get("search").stop_mode is mode
        # One that waits for its trials may still be stopped at once; one that is being stopped so may not.
        stops = [one.key for one in open_page("jobs", job="search").button if one.key == "job_stop"]
        assert stops == (["job_stop"] if mode is StopMode.AFTER_RUNNING else [])

    def test_a_failed_one_says_why_and_is_resumed(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        world.add_tuning_job("search", JobStatus.FAILED, (None, None, None))
        made: list[str] = []

        def resume(name: str, **_: object) -> TuningJob:
            made.append(name)
            world.add_tuning_job("search-r2", JobStatus.IN_PROGRESS, (), resumed_from="search")
            return world.searches.get("search-r2")

        monkeypatch.setattr(world.backend.searching, "resume", resume)
        app = open_page("jobs", job="search")
        said = texts(app)
        assert "This tuning job failed." in said
        assert "The first 3 trials failed." in said
        assert "python -m backend jobs resume search" in said
        app.get_by_key("job_resume").click().run()
        assert made == ["search"]
        assert app.title[0].value == "search-r2"
        assert "Resumed from search" in [link.proto.label for link in app.get("page_link")]

    def test_importance_is_computed_when_someone_asks(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []

        def importance(name: str) -> dict[str, float]:
            asked.append(name)
            return {"lr": 0.8, "batch_size": 0.2}

        monkeypatch.setattr(world.backend.tuning, "importance", importance)
        world.add_tuning_job("search")
        app = open_page("jobs", job="search")
        assert asked == []
        app.get_by_key("tuning_importance").click().run()
        app.run()
        assert asked == ["search"]
        (chart,) = [chart for chart in app.get("plotly_chart") if chart.key == "tuning_bars"]
        assert "Learning rate 80%" in str(chart.proto)

    def test_importance_is_computed_again_for_more_trials(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(world.backend.tuning, "importance", lambda _: {"lr": 0.8, "batch_size": 0.2})
        world.add_tuning_job("search")
        app = open_page("jobs", job="search")
        app.get_by_key("tuning_importance").click().run()
        app.run()
        assert "tuning_importance" not in [button.key for button in app.button]
        app.session_state["importance"] = {"search": 3}  # one more has completed since
        app.run()
        assert app.get_by_key("tuning_importance").label == "Compute again"
        app.get_by_key("tuning_importance").click().run()
        assert app.session_state["importance"] == {"search": 4}

    def test_near_the_best_leaves_out_what_lies_far_off(self, world: World) -> None:
        world.add_tuning_job("search", values=(0.2, 0.97, 0.98, 0.96))
        app = open_page("jobs", job="search")
        lows = []
        for near in (False, True):
            app.get_by_key("tuning_near").set_value(near).run()
            (chart,) = [one for one in app.get("echarts_chart") if one.key == "tuning_history"]
            lows.append(json.loads(chart.proto.spec)["yAxis"].get("min", 0))
        assert lows[0] < 0.5 < 0.9 < lows[1]

    def test_too_few_trials_say_nothing_about_importance(self, world: World) -> None:
        world.add_tuning_job("search", values=(0.95, 0.98, None))
        app = open_page("jobs", job="search")
        assert "it takes 4 completed trials to say; there are 2." in texts(app)

    def test_a_clicked_trial_opens_its_job_which_leads_back(self, world: World) -> None:
        world.add_tuning_job("search")
        app = open_page("jobs", job="search")
        app.session_state["tuning_trials"] = {"selection": {"rows": [], "columns": [], "cells": [(1, "Status")]}}
        app.run()
        assert app.title[0].value == "search-002-abcd"
        assert "Trial of search" in [link.proto.label for link in app.get("page_link")]

    def test_it_leads_to_what_it_learnt_from(self, world: World) -> None:
        world.add_tuning_job("parent")
        world.add_tuning_job("search", warm_start_from="parent")
        app = open_page("jobs", job="search")
        assert "Learnt from parent" in [link.proto.label for link in app.get("page_link")]

    def test_reasons_and_names_are_not_read_as_markdown(self, world: World) -> None:
        world.add_tuning_job("search")
        world.searches.tell("search", ["![x](http://example.org/x.png)"])
        app = open_page("jobs", job="search")
        assert "![x](http://example.org/x.png)" in [element.value for element in app.text]


class TestOverview:
    def test_a_failed_search_asks_once_and_its_trials_do_not(self, world: World) -> None:
        world.add_tuning_job("search", JobStatus.FAILED, (None, None, None), created=now())
        said = texts(open_page())
        assert "Job search failed." in said
        assert "search-001-abcd" not in said

    def test_a_running_search_is_one_line_with_its_progress(self, world: World) -> None:
        world.add_tuning_job("search", JobStatus.IN_PROGRESS, (0.95, None), max_jobs=4)
        app = open_page()
        labels = [link.proto.label for link in app.get("page_link")]
        assert "search" in labels
        assert not [label for label in labels if label.startswith("search-0")]
        assert [bar.value for bar in app.get("progress")] == [25]
