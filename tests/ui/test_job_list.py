"""Jobs: many of them, page by page in the address; what they cost, where the platform bills them; their commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.views.job_log import _whole
from backend.domain.jobs import Billing, JobStatus, LogChunk, MetricPoint, TrainingJob
from backend.domain.tuning import TuningJob
from backend.errors import WrongStateError
from tests.fakes.backend import NOON, World, now
from tests.ui.conftest import open_page, texts
from tests.ui.test_pages import serving
from tests.ui.test_tuning_jobs import rows, ticked


def billed(world: World, monkeypatch: pytest.MonkeyPatch, prices: Mapping[str, float | None]) -> None:
    """Let the named jobs have been billed for an hour at these prices."""
    list_jobs = world.backend.training.list_jobs

    def with_bills() -> Sequence[TrainingJob]:
        hour = {"instance_type": "ml.m5.xlarge", "instances": 1, "seconds": 3600, "billed_seconds": 3600}
        return [
            replace(job, billing=Billing(**hour, hourly_price=prices[job.name])) if job.name in prices else job
            for job in list_jobs()
        ]

    monkeypatch.setattr(world.backend.training, "list_jobs", with_bills)


def test_what_jobs_cost_stands_in_the_table_where_they_are_billed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_job("free")
    world.add_job("paid")
    world.add_job("unknown")
    world.add_tuning_job("search", values=(0.95, 0.98), archives=False)
    trials = [trial.job for trial in world.searches.get("search").trials]
    billed(world, monkeypatch, {"paid": 0.25, "unknown": None, **dict.fromkeys(trials, 0.5)})
    app = open_page("jobs")
    assert {row["Job"]: row["Cost"] for row in rows(app, "jobs_table")} == {
        "free": "",
        "paid": "0.2500 USD",
        "unknown": "price unknown",
        "search": "1.0000 USD",
    }
    metrics = {metric.label: metric.value for metric in open_page("jobs", job="search").metric}
    assert metrics["Cost"] == "1.0000 USD"


def test_where_nobody_sends_a_bill_there_is_no_column_for_it(world: World) -> None:
    world.add_job("free")
    (table,) = [frame for frame in open_page("jobs").dataframe if frame.key == "jobs_table"]
    assert "Cost" not in table.proto.column_order
    assert {"Job", "Duration"} <= set(table.proto.column_order)


def test_the_page_of_many_jobs_is_in_the_address(world: World) -> None:
    for number in range(205):
        created = NOON + timedelta(seconds=number)
        world.add_tuning_job(f"search-{number}", JobStatus.COMPLETED, (), max_jobs=1, created=created)
    app = open_page("jobs")
    assert "205 jobs." in texts(app)
    assert [row["Job"] for row in rows(app, "jobs_table")][:2] == ["search-204", "search-203"]
    app = open_page("jobs", jobs_page="3")
    assert [row["Job"] for row in rows(app, "jobs_table")] == [f"search-{number}" for number in (4, 3, 2, 1, 0)]
    app.get_by_key("jobs_page").set_value(2).run()
    assert rows(app, "jobs_table")[0]["Job"] == "search-104"
    # A filter that leaves one page leads back to it.
    app.get_by_key("jobs_search").set_value("search-204").run()
    assert [row["Job"] for row in rows(app, "jobs_table")] == ["search-204"]


def test_the_command_is_that_of_what_is_ticked(world: World) -> None:
    world.add_job("job-a", created=NOON)
    world.add_job("job-b", created=NOON + timedelta(seconds=1))
    app = open_page("jobs")
    assert "python -m backend jobs list" in texts(app)
    assert "python -m backend jobs stop job-b\npython -m backend jobs stop job-a" in texts(ticked(app, 0, 1))


def names(app: AppTest) -> list[str]:
    return [str(row["Job"]) for row in rows(app, "jobs_table")]


def test_filters_are_by_status_and_by_what_is_said_of_a_job(world: World) -> None:
    world.add_job("went-well")
    world.add_job("went-wrong", JobStatus.FAILED)
    assert names(open_page("jobs", jobs_status="Failed")) == ["went-wrong"]
    app = open_page("jobs")
    for text, found in (("WELL", ["went-well"]), ("nan", ["went-wrong"]), ("ada", ["went-wrong", "went-well"])):
        app.get_by_key("jobs_search").set_value(text).run()
        assert sorted(names(app)) == sorted(found), text


def test_they_are_sorted_as_asked_for(world: World) -> None:
    for name, seconds in (("b-newest", 2), ("a-oldest", 0), ("c-middle", 1)):
        world.add_job(name, JobStatus.FAILED, created=NOON + timedelta(seconds=seconds))
    world.add_job("d-long", created=NOON - timedelta(seconds=1))  # 40 s, the others 9
    app = open_page("jobs")
    for order, first in (("Newest", "b-newest"), ("Longest", "d-long"), ("Name", "a-oldest")):
        app.get_by_key("jobs_sort").set_value(order).run()
        assert names(app)[0] == first, order


def test_one_that_cannot_be_stopped_keeps_none_of_the_others_running(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        world.add_tuning_job(name, JobStatus.IN_PROGRESS, (None,), archives=False)
    stop = world.backend.searching.stop

    def stubborn(name: str, *given: Any, **named: Any) -> TuningJob:
        if name == "one":
            raise WrongStateError("Tuning job 'one' cannot be stopped: it is Completed.")
        return stop(name, *given, **named)

    monkeypatch.setattr(world.backend.searching, "stop", stubborn)
    app = open_page("jobs")
    app.get_by_key("jobs_sort").set_value("Name").run()
    ticked(app, 0, 1).get_by_key("jobs_stop").click().run()
    assert app.get_by_key("confirm_other").label == "Let running trials end first"
    app.get_by_key("confirm_apply").click().run()
    assert world.searches.get("two").status is JobStatus.STOPPING


class TestAJob:
    def test_leads_to_its_version_and_to_where_that_serves(self, world: World) -> None:
        serving(world)
        found = {link.proto.label: link.proto.query_string for link in open_page("jobs", job="job-a").get("page_link")}
        assert found["Version 1"] == "version=1"
        assert found["Serving on staging"] == "stage=staging"
        assert "Serving on prod" not in found

    def test_says_how_much_time_is_left(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        world.add_tuning_job("search", JobStatus.IN_PROGRESS, (None,), created=now() - timedelta(seconds=61))
        trial = world.searches.get("search").trials[0].job
        at = now()
        world.store.report(trial, [MetricPoint(seq=0, at=at, values={"epoch": 1.0, "progress": 0.5})], [])
        (bar,) = open_page("jobs", job=trial).get("progress")
        assert bar.text.startswith("50%, epoch 1 of 2, about 1 min")
        assert bar.text.endswith("left. You may leave this page.")

    def test_its_whole_log_is_downloaded_piece_by_piece(self) -> None:
        pieces = {
            0: LogChunk(text="first\n", next_offset=6, size=13),
            6: LogChunk(text="second\n", next_offset=13, size=13),
        }
        nothing = LogChunk(text="", next_offset=13, size=13)
        assert _whole("job-a", lambda _, offset: pieces.get(offset, nothing)) == "first\nsecond\n"
