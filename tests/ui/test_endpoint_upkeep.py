"""An endpoint over time on its page: traffic, answers, idle meter, time to live, log, load tests of the past."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from backend.adapters.local.database import Database
from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.traffic import LocalTraffic
from backend.adapters.triton.canary import canary_images
from backend.domain.capabilities import Feature
from backend.domain.identity import Role
from backend.domain.lifetimes import Lifetime
from backend.domain.loadtest import LoadPlan
from backend.domain.serving import Stage
from backend.domain.traffic import Sample, Span
from tests.fakes.backend import World
from tests.ui.conftest import open_page, texts, use
from tests.ui.test_pages import registered


@pytest.fixture(autouse=True)
def serving(world: World) -> None:
    """Version 1 serves at staging."""
    registered(world)
    world.backend.promotion.promote(Stage.STAGING, 1, actor=world.backend.actor)


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def charts(app: AppTest) -> dict[str, str]:
    """What each chart says to who cannot see it, by the first words."""
    told = [str(chart.proto.alt) for chart in app.get("echarts_chart")]
    return {words.split(",")[0].split(".")[0]: words for words in told}


def saw(world: World, minutes_ago: int, requests: int, failed: int = 0) -> None:
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    sample = Sample(
        at=at, seconds=60.0, version=1, requests=requests, failed=failed, p50_ms=1.5, p95_ms=2.5, p99_ms=3.5, cpu=0.25
    )
    LocalTraffic(Database(world.home.database)).keep(Stage.STAGING, sample)


def draw(world: World, digit: int, times: int) -> None:
    pixels = np.rint(canary_images()[digit, :, :, 0] * 255).astype(np.uint8)
    for _ in range(times):
        world.backend.prediction.predict(Stage.STAGING, pixels)


class TestTraffic:
    def test_the_past_is_drawn_for_the_range_in_the_address(self, world: World) -> None:
        saw(world, 90, 600)
        app = open_page("endpoints", stage="staging")
        assert "Nothing was seen in the last 1 h." in texts(app)
        saw(world, 5, 120, failed=3)
        st.cache_data.clear()
        app = open_page("endpoints", stage="staging", range="24h")
        assert app.query_params["range"] in ("24h", ["24h"])
        told = charts(app)
        assert "None in the last" not in texts(app)
        assert "answered: 2 now, from 2 to 10" in told["Requests"]
        assert "p99: 3.5 now" in told["Latency"]
        assert "server's: 3 now" in told["Errors"]
        assert "used: 25 now" in told["CPU"]
        assert "queue: nothing seen" in told["Where the time goes"]
        app.segmented_control(key="endpoints_range").set_value("15m").run()
        assert app.query_params["range"] in ("15m", ["15m"])
        assert "answered: 2 now, from 2 to 2" in charts(app)["Requests"]

    def test_what_our_clients_saw_fail_is_told_apart(self, world: World) -> None:
        world.backend.serving.suspend(Stage.STAGING)
        with pytest.raises(Exception, match="Nothing answers"):
            draw(world, 3, 1)
        told = charts(open_page("endpoints", stage="staging"))
        assert "seen by our clients: 1 now" in told["Errors"]

    def test_a_deleted_stage_keeps_its_past_on_the_page(self, world: World) -> None:
        saw(world, 5, 120)
        draw(world, 7, 2)
        assert "None in the last 1 h, of the server's or seen by our clients." in texts(
            open_page("endpoints", stage="staging")
        )
        world.backend.endpoints.delete(Stage.STAGING, actor=world.backend.actor)
        st.cache_data.clear()
        app = open_page("endpoints", stage="staging")
        assert "Nothing is deployed to staging: this is its past." in texts(app)
        assert "answered: 2 now" in charts(app)["Requests"]
        assert "2 by v1 in the last 1 h" in texts(app)


class TestAnswers:
    def test_few_answers_are_counted_and_not_judged(self, world: World) -> None:
        draw(world, 7, 3)
        app = open_page("endpoints", stage="staging")
        assert "Not enough predictions yet: 3 of the 100 that it takes to say anything." in texts(app)
        assert "Answered: 0 0 %, 1 0 %" in charts(app)["Shares of the digits"]
        assert "7 100 %" in charts(app)["Shares of the digits"]
        assert "What other programs are answered is not seen here." in texts(app)
        assert "mean: " in charts(app)["Confidence"]

    def test_another_mix_than_the_tested_one_is_told(self, world: World) -> None:
        draw(world, 7, 120)
        said = texts(open_page("endpoints", stage="staging"))
        assert "The mix is very different from the test set's (p < 0.001" in said

    def test_no_picture_is_kept_with_them(self, world: World) -> None:
        draw(world, 7, 2)
        (tally,) = world.backend.tallies.read(Stage.STAGING, Span.HOUR)
        assert (tally.n, tally.digits[7], tally.version) == (2, 2, 1)
        assert b"\xff" * 3 not in world.home.database.read_bytes()


class TestIdleAndTimeToLive:
    def test_here_only_the_time_is_told_for_nobody_sends_a_bill(self, world: World) -> None:
        app = open_page("endpoints", stage="staging")
        assert metrics(app)["Idle for"].endswith(("ms", "s"))
        assert "Idling cost" not in metrics(app)
        assert metrics(app)["Taken down"] == "never"

    @pytest.mark.parametrize(("hourly", "shown"), [(0.5, "$"), (None, "price unknown")])
    def test_elsewhere_idling_costs_or_its_price_is_unknown(
        self, world: World, monkeypatch: pytest.MonkeyPatch, hourly: float | None, shown: str
    ) -> None:
        monkeypatch.setattr(world.backend.serving, "hourly_cost", lambda _: hourly)
        assert metrics(open_page("endpoints", stage="staging"))["Idling cost"].startswith(shown)

    def test_it_is_limited_extended_and_lifted_each_as_an_audited_effect(self, world: World) -> None:
        app = open_page("endpoints", stage="staging")
        assert app.button(key="life_extend").label == "Take down in 4 h"
        app.button(key="life_extend").click().run()
        first = world.backend.lifetimes.read(Stage.STAGING).until
        assert first is not None and timedelta(hours=3.9) < first - datetime.now(UTC) <= timedelta(hours=4)
        assert metrics(app)["Taken down"] == "in 3 h"
        app.selectbox(key="life_hours").set_value(1).run()
        assert app.button(key="life_extend").label == "Extend by 1 h"
        assert "endpoints extend --stage staging --hours 1" in texts(app)
        app.button(key="life_extend").click().run()
        assert world.backend.lifetimes.read(Stage.STAGING).until == first + timedelta(hours=1)
        app.button(key="life_lift").click().run()
        assert world.backend.lifetimes.read(Stage.STAGING) == Lifetime()
        events = world.backend.audit.list_events()[:3]
        assert [(event.action, event.subject, event.outcome) for event in events] == [
            ("extend", "stage staging", "done")
        ] * 3
        assert events[1].before["until"] == first.isoformat(timespec="seconds")

    def test_one_that_its_time_took_down_says_so(self, world: World) -> None:
        world.backend.endpoints.delete(Stage.STAGING, actor=world.backend.actor)
        world.backend.lifetimes.keep(Stage.STAGING, Lifetime(taken_down_at=datetime.now(UTC) - timedelta(minutes=9)))
        said = texts(open_page("endpoints", stage="staging"))
        assert "Taken down 9 min ago" in said
        assert "Its time to live was over." in said

    def test_where_nobody_takes_it_down_by_itself_the_page_says_who_does(self, world: World) -> None:
        world.backend.serving.unsupported = {Feature.TAKE_DOWN: "Let cron run the guard."}
        assert "Let cron run the guard." in texts(open_page("endpoints", stage="staging"))

    def test_a_viewer_may_not_extend_and_production_has_no_limit(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.backend.promotion.promote(Stage.PROD, 1, actor=world.backend.actor)
        assert "Production has no time to live" in texts(open_page("endpoints", stage="prod"))
        use(world.acting_as(Role.VIEWER), monkeypatch)
        app = open_page("endpoints", stage="staging")
        assert app.button(key="life_extend").disabled
        assert "to extend staging, you need operator" in texts(app)


def test_the_log_of_the_server_and_of_its_supervisor_can_be_read(world: World) -> None:
    folder = EndpointFolder(world.home.root, Stage.STAGING)
    folder.root.mkdir(parents=True)
    folder.triton_log.write_text("I1123 started\n")
    folder.runner_log.write_text("INFO supervising\n")

    def shown(app: AppTest) -> list[str]:
        return [
            json.loads(element.proto.json)["text"]
            for element in app.get("bidi_component")
            if "log" in str(element.proto.component_name)
        ]

    app = open_page("endpoints", stage="staging")
    assert shown(app) == ["I1123 started\n"]
    app.segmented_control(key="endpoint_log_source").set_value("supervisor").run()
    assert shown(app) == ["INFO supervising\n"]


def test_load_tests_of_the_past_are_kept_and_the_last_is_held_against_the_one_before(world: World) -> None:
    app = open_page("endpoints", stage="staging")
    assert "Earlier tests" not in str([expander.label for expander in app.expander])
    for seconds in (2, 3):
        world.backend.endpoints.load_test(
            Stage.STAGING,
            LoadPlan(concurrency=8, seconds=seconds),
            actor=replace(world.backend.actor, name="grace"),
            progress=lambda *_: None,
        )
    st.cache_data.clear()
    app = open_page("endpoints", stage="staging")
    assert "Earlier tests (2)" in [expander.label for expander in app.expander]
    assert "The last one against the one before over 8 connections (v1" in texts(app)
    table = str(app.get("table")[-1].value if app.get("table") else app.get("arrow_table"))
    assert "grace" in table
