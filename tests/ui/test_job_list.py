"""Jobs: many of them, page by page in the address; what they cost, where the platform bills them; their commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from backend.domain.jobs import Billing, JobStatus, TrainingJob
from tests.fakes.backend import NOON, World
from tests.ui.conftest import open_page, texts
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
