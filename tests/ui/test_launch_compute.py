"""Launch: what a job is to run on, what that costs, what stands in its way, and a clone that keeps it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app import queries
from backend.domain.capabilities import Feature
from backend.domain.jobs import Compute, JobStatus, Outlook
from tests.fakes.backend import World
from tests.ui.conftest import open_page, texts

SHORT = "The account's quota 'ml.m5.xlarge for training job usage' is 0; this needs 1 instance."


def test_where_there_is_nothing_to_choose_the_reason_is_shown_and_what_it_costs(world: World) -> None:
    said = texts(open_page("launch"))
    assert world.backend.training.unsupported[Feature.COMPUTE] in said
    assert "Costs nothing: it runs on this machine." in said


class TestWithAChoice:
    @pytest.fixture(autouse=True)
    def choice(self, world: World, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Compute, int]]:
        """A platform with instances at 50 cents an hour; what was asked of it."""
        asked: list[tuple[Compute, int]] = []

        def outlook(compute: Compute, instances: int = 1) -> Outlook:
            asked.append((compute, instances))
            return Outlook(hourly_price=0.5, shortage=SHORT if instances > 1 or compute.spot else "")

        monkeypatch.setattr(type(world.backend.training), "unsupported", {})
        monkeypatch.setattr(world.backend.training, "outlook", outlook)
        return asked

    def test_cost_and_shortage_follow_the_form(self, world: World, choice: list[tuple[Compute, int]]) -> None:
        world.add_job("job-a")  # two epochs in 40 seconds
        app = open_page("launch")
        said = texts(app)
        assert "Costs about \\$0.01, at \\$0.50 an hour." in said
        assert SHORT not in said
        app.get_by_key("launch_instance").set_value("ml.c5.2xlarge").run()
        assert choice[-1] == (Compute(instance_type="ml.c5.2xlarge"), 1)
        assert "Costs \\$0.50 an hour of each instance." in texts(app)  # nothing has run on one yet
        app.get_by_key("launch_spot").set_value(True).run()
        app.get_by_key("launch_minutes").set_value(30)
        app.get_by_key("launch_wait").set_value(60).run()
        said = texts(app)
        assert SHORT in [element.value for element in app.text]
        assert "--instance-type ml.c5.2xlarge --spot --max-minutes 30 --max-wait-minutes 60" in said

    def test_a_search_asks_for_as_many_instances_as_trials_at_once(
        self, world: World, choice: list[tuple[Compute, int]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(type(world.backend.tuning), "unsupported", {Feature.QUEUE: "There is none."})
        app = open_page("launch", mode="tune")
        app.get_by_key("tune_max_parallel").set_value(3).run()
        assert choice[-1] == (Compute(), 3)
        assert SHORT in [element.value for element in app.text]

    def test_a_clone_runs_on_what_its_origin_ran_on(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        compute = Compute(instance_type="ml.c5.2xlarge", spot=True, max_minutes=30, max_wait_minutes=60)
        world.add_job("origin")
        jobs = [
            replace(job, request=replace(job.request, compute=compute)) for job in world.backend.training.list_jobs()
        ]
        monkeypatch.setattr(world.backend.training, "list_jobs", lambda: jobs)
        said = texts(open_page("launch", clone="origin"))
        assert "Filled in from job origin." in said
        assert "--instance-type ml.c5.2xlarge --spot --max-minutes 30 --max-wait-minutes 60" in said


def test_a_job_to_clone_that_is_not_there_is_said_to_be_none(world: World) -> None:
    world.add_job("job-a", JobStatus.FAILED)
    app = open_page("launch", clone="job-z")
    assert [text.value for text in app.text if "job-z" in text.value] == [
        "The address names job 'job-z', which is not here: the form begins with the preset's own values."
    ]
    assert app.get_by_key("launch_fast_epochs").value == 2


def test_the_preset_is_in_the_address(world: World) -> None:
    app = open_page("launch", launch_preset="Accurate")
    assert app.get_by_key("launch_preset").value == "accurate"
    assert app.get_by_key("launch_accurate_epochs").value == 10
    assert open_page("launch", launch_preset="nonsense").get_by_key("launch_preset").value == "fast"


def test_what_waits_is_told_before_the_launch(world: World) -> None:
    assert "Begins at once." in texts(open_page("launch"))
    world.add_tuning_job("search", JobStatus.IN_PROGRESS, (None,))  # its trial has the only slot
    queries.forget_jobs()
    assert "Waits in the queue: 1 job is before it." in texts(open_page("launch"))
