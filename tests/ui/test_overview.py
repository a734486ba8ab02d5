"""Overview beyond its first look: what idles, what failed many times, models against prod, the quick start's Stop."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from backend.adapters.local.database import Database
from backend.adapters.local.traffic import LocalTraffic
from backend.domain.identity import Role
from backend.domain.jobs import JobStatus
from backend.domain.operations import OperationStatus
from backend.domain.registry import Approval
from backend.domain.serving import EndpointStatus, Stage
from backend.domain.traffic import Sample
from backend.errors import PlatformError
from tests.fakes.backend import World, now
from tests.ui.conftest import open_page, texts, use
from tests.ui.test_drift_banner import HEADLINE, drifted
from tests.ui.test_pages import registered, serving
from tests.ui.test_quickstart_card import ended_in


def links(app: AppTest) -> dict[str, tuple[str, str]]:
    return {link.proto.label: (link.proto.page, link.proto.query_string) for link in app.get("page_link")}


class TestNeeds:
    @pytest.mark.parametrize(
        ("hourly", "says"),
        [(0.5, "it runs on, at $0.50 an hour."), (None, "it runs on, whose price is unknown."), (0.0, "")],
    )
    def test_an_endpoint_that_costs_money_and_that_nobody_asks_is_said(
        self, world: World, monkeypatch: pytest.MonkeyPatch, hourly: float | None, says: str
    ) -> None:
        serving(world)
        monkeypatch.setattr(world.backend.serving, "hourly_cost", lambda _: hourly)
        assert "Nobody has asked" not in texts(open_page())  # it has been there for a moment
        describe = world.backend.serving.describe

        def older(stage: Stage) -> object:
            endpoint = describe(stage)
            return replace(endpoint, since=endpoint.since - timedelta(hours=5)) if endpoint.since else endpoint

        monkeypatch.setattr(world.backend.serving, "describe", older)
        use(world, monkeypatch)
        app = open_page()
        said = texts(app)
        assert (f"Nobody has asked staging for 5 h: {says}" in said) is bool(says)
        assert "Nobody has asked prod" not in said
        assert (links(app).get("Look at the endpoint") == ("endpoints", "stage=staging")) is bool(says)

    def test_an_endpoint_that_cannot_be_reached_is_not_said_to_have_failed(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        serving(world)
        describe = world.backend.serving.describe

        def lost(stage: Stage) -> object:
            return replace(describe(stage), status=EndpointStatus.UNKNOWN, served=None)

        monkeypatch.setattr(world.backend.serving, "describe", lost)
        use(world, monkeypatch)
        said = texts(open_page())
        assert "digit-classification-staging should serve v1 and is Unknown (cannot reach)." in said
        assert "Failed" not in said

    def test_a_drift_has_its_banner_and_is_not_said_a_second_time(self, world: World) -> None:
        drifted(world)
        said = texts(open_page())
        assert HEADLINE in said
        assert "digit-classification-prod should serve" not in said

    def test_what_failed_days_ago_asks_for_nothing_any_more(self, world: World) -> None:
        world.add_job("broken", JobStatus.FAILED, created=now() - timedelta(hours=30))
        world.add_job("fresh", JobStatus.FAILED, created=now() - timedelta(hours=20))
        said = texts(open_page())
        assert "Job fresh failed." in said
        assert "Job broken failed." not in said

    def test_many_failed_jobs_are_counted_and_what_was_resumed_is_dealt_with(self, world: World) -> None:
        for number in range(5):
            created = now() + timedelta(seconds=number)
            world.add_job(f"broken-{number}", JobStatus.FAILED, created=created)
        said = texts(open_page())
        assert [f"Job broken-{number} failed." in said for number in range(5)] == [False, False, True, True, True]
        assert "2 more jobs failed within a day." in said

        world.backend.launching.resume("broken-4", actor=world.backend.actor)
        from app import queries

        queries.forget_jobs()
        said = texts(open_page())
        assert "Job broken-4 failed." not in said
        assert "1 more job failed within a day." in said


class TestBestModels:
    def test_each_is_held_against_what_serves_in_prod(self, world: World) -> None:
        registered(world)
        world.backend.promotion.promote(Stage.PROD, 1, actor=world.backend.actor)
        better = world.backend.registry.get(1).evaluation
        assert better is not None
        other = {"test_sha256": "f" * 64, "dataset": "digits8x8"}
        for number, (points, claims) in enumerate(((-0.2, {}), (0.0, {}), (0.4, other)), start=2):
            world.add_job(f"job-{number}", sharpness=float(number))
            world.backend.registration.register_job(f"job-{number}", actor=world.backend.actor)
            changed = {"accuracy": better.accuracy + points / 100, **claims}
            world.backend.registry.record_evaluation(number, replace(better, **changed))
        app = open_page()
        said = texts(app)
        assert [caption.value for caption in app.caption].count("as prod") == 1  # not prod's own
        assert r"\-0\.20 to prod" in said
        # Its accuracy is the highest, and of other images: it says nothing against prod's, and comes last.
        ranked = [link.proto.label for link in app.get("page_link") if link.proto.label.startswith("Version ")]
        assert ranked == ["Version 3", "Version 1", "Version 2", "Version 4"]
        assert r"0\.40 to prod" not in said
        assert "digits8x8" in said


def test_what_runs_beyond_five_is_counted(world: World) -> None:
    for number in range(7):
        world.add_tuning_job(f"search-{number}", JobStatus.IN_PROGRESS, (), archives=False)
    app = open_page()
    assert "and 2 more" in links(app)
    assert len(app.get("progress")) == 5


class TestTheQuickStartsStop:
    @pytest.fixture
    def training(self, world: World, monkeypatch: pytest.MonkeyPatch) -> World:
        """A quick start whose job trains."""
        world.add_tuning_job("held", JobStatus.IN_PROGRESS, (None,))
        job = world.searches.get("held").trials[0].job
        running = ended_in(world, "train", OperationStatus.IN_PROGRESS, error="")
        world.backend.quickstart._store.save(replace(running, ended_at=None, hint="", result={"job": job}))
        monkeypatch.setattr(world.backend.operations, "is_running", lambda _: True)
        return world

    def test_asks_first_and_stops_the_training(self, training: World) -> None:
        job = training.searches.get("held").trials[0].job
        app = open_page()
        app.get_by_key("quickstart_stop").click().run()
        assert f"Stop {job}?" in [dialog.proto.dialog.title for dialog in app.get("dialog")]
        assert training.store.get(job).status is JobStatus.IN_PROGRESS
        app.get_by_key("confirm_apply").click().run()
        assert training.store.get(job).status is JobStatus.STOPPING

    def test_is_not_there_for_a_deployment(self, training: World) -> None:
        running = ended_in(training, "staging", OperationStatus.IN_PROGRESS, error="")
        training.backend.quickstart._store.save(replace(running, ended_at=None, hint=""))
        assert "quickstart_stop" not in [button.key for button in open_page().button]

    def test_says_who_may(self, training: World, monkeypatch: pytest.MonkeyPatch) -> None:
        use(training.acting_as(Role.VIEWER), monkeypatch)
        stop = open_page().get_by_key("quickstart_stop")
        assert stop.disabled
        assert "to stop jobs, you need operator" in stop.help


@pytest.mark.parametrize(
    ("port", "read", "still_there"),
    [
        ("registry", "list_versions", "Newest jobs"),
        ("training", "list_jobs", "Best models"),
        ("serving", "describe", "Newest jobs"),
        ("audit", "list_events", "Best models"),
    ],
)
def test_what_cannot_be_looked_at_is_told_in_its_own_place(
    world: World, monkeypatch: pytest.MonkeyPatch, port: str, read: str, still_there: str
) -> None:
    serving(world)

    def broken(*_: object, **__: object) -> None:
        raise PlatformError("AWS does not answer.", hint="Look at Connections.")

    monkeypatch.setattr(getattr(world.backend, port), read, broken)
    use(world, monkeypatch)
    said = texts(open_page())
    assert "AWS does not answer." in said
    assert still_there in said


def test_the_traffic_of_both_stages_is_one_chart_once_there_is_any(world: World) -> None:
    serving(world)
    assert "overview_traffic" not in [chart.key for chart in open_page().get("echarts_chart")]
    traffic = LocalTraffic(Database(world.home.database))
    for minutes_ago, requests in ((3, 120), (2, 60)):
        at = now() - timedelta(minutes=minutes_ago)
        traffic.keep(Stage.STAGING, Sample(at=at, seconds=60.0, version=1, requests=requests, failed=0))
    st.cache_data.clear()
    app = open_page()
    assert [metric.value for metric in app.metric if metric.label == "Requests/min"] == ["60"]
    (chart,) = [chart for chart in app.get("echarts_chart") if chart.key == "overview_traffic"]
    assert "Staging: 60 now, from 60 to 120" in chart.proto.alt
    assert "Production: nothing seen" in chart.proto.alt


def test_what_was_counted_an_hour_ago_is_not_now(world: World) -> None:
    serving(world)
    at = now() - timedelta(minutes=20)
    LocalTraffic(Database(world.home.database)).keep(
        Stage.STAGING, Sample(at=at, seconds=60.0, version=1, requests=120, failed=0)
    )
    assert [metric.value for metric in open_page().metric if metric.label == "Requests/min"] == ["–"]


def test_a_stage_leads_to_its_rollback_once_there_is_one(world: World) -> None:
    serving(world)
    assert not [label for label in links(open_page()) if label.startswith("Roll back")]
    world.add_job("job-b", sharpness=2.0)
    world.backend.registration.register_job("job-b", actor=world.backend.actor)
    world.backend.registration.decide(2, Approval.APPROVED, actor=world.backend.actor)
    world.backend.promotion.promote(Stage.STAGING, 2, actor=world.backend.actor)
    st.cache_data.clear()
    assert links(open_page())["Roll back to v1"] == ("promote", "stage=staging")


def test_a_quick_start_that_has_just_ended_is_said_to_have_for_ten_minutes(world: World) -> None:
    serving(world)
    done = ended_in(world, "prod", OperationStatus.COMPLETED, error="")
    for ago, said in ((timedelta(minutes=9), True), (timedelta(minutes=11), False)):
        ended = now() - ago
        world.backend.quickstart._store.save(replace(done, started_at=ended - timedelta(seconds=80), ended_at=ended))
        assert ("Quick start finished in 1 min 20 s: version 1 serves" in texts(open_page())) is said


def test_a_quick_start_without_mnist_says_what_its_model_has_learnt_instead(world: World) -> None:
    serving(world)
    ended = now()
    done = ended_in(world, "prod", OperationStatus.COMPLETED, error="")
    world.backend.quickstart._store.save(replace(done, started_at=ended, ended_at=ended))
    assert "MNIST could not be had" not in texts(open_page())
    evaluation = world.backend.registry.get(1).evaluation
    assert evaluation is not None
    world.backend.registry.record_evaluation(1, replace(evaluation, dataset="digits8x8"))
    st.cache_data.clear()
    app = open_page()
    assert "MNIST could not be had: this model learnt the small 8x8 digits" in texts(app)
    (accuracy, *_) = [metric for metric in app.metric if metric.label == "Accuracy"]
    assert accuracy.help.endswith("test images of digits8x8.")
