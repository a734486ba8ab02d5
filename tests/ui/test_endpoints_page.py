"""The Endpoints page: what it says of every state an endpoint can be in, and what its buttons start."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.views.endpoint_request import curl_example, python_example
from backend.adapters.triton.canary import canary_images
from backend.adapters.triton.model_config import INPUT, OUTPUT
from backend.domain.identity import Role
from backend.domain.registry import Approval
from backend.domain.serving import Endpoint, EndpointStatus, ServedModel, Stage
from backend.errors import EndpointUnavailableError
from tests.fakes.backend import World
from tests.fakes.operations import RecordedOperations
from tests.ui.conftest import open_page, texts, use
from tests.ui.test_pages import registered

RESULT = {
    "stage": "prod",
    "concurrency": 16,
    "seconds": 3,
    "requests": 12_345,
    "failed": 2,
    "failures": {"timeout": 2},
    "versions": [1],
    "per_second": 4114.3,
    "p50_ms": 2.125,
    "p99_ms": 9.5,
}


@pytest.fixture
def operations(world: World, monkeypatch: pytest.MonkeyPatch) -> RecordedOperations:
    """Version 1 serves at prod."""
    registered(world)
    world.backend.promotion.promote(Stage.PROD, 1, actor=world.backend.actor)
    recorded = RecordedOperations()
    use(replace(world, backend=replace(world.backend, operations=recorded)), monkeypatch)
    return recorded


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_an_empty_home_leads_to_promote(world: World) -> None:
    assert "Nothing is deployed yet" in texts(open_page("endpoints"))


def test_a_served_stage_says_that_it_is_in_step_and_shows_the_servers_numbers(
    world: World, operations: RecordedOperations
) -> None:
    for _ in range(3):
        world.backend.serving.predict(Stage.PROD, canary_images())
    app = open_page("endpoints")
    said, shown = texts(app), metrics(app)
    sha256 = world.backend.registry.get(1).sha256
    assert f"In step: archive `{sha256[:12]}` was asked for and answers." in said
    assert (shown["Should serve"], shown["Serves"], shown["CPU"], shown["Memory"]) == ("v1", "v1", "25%", "2.1 GB")
    assert shown["p50"].endswith(" ms") and shown["Requests/s"] == "–"
    assert "3 requests since v1 was loaded" in said
    assert "as of " in said
    assert "Nothing is deployed. Choose an approved version and promote it." in said  # staging's card


def test_overviews_card_has_the_numbers_and_leads_to_what_can_be_done(
    world: World, operations: RecordedOperations
) -> None:
    world.backend.serving.predict(Stage.PROD, canary_images())

    def links(app: AppTest) -> set[tuple[str, str]]:
        return {(link.proto.label, link.proto.query_string) for link in app.get("page_link")}

    app = open_page()
    shown = metrics(app)
    assert (version_of(app), shown["Errors"], shown["Requests/min"]) == ("v1", "0", "–")
    assert (shown["Accuracy"], shown["p95"].endswith(" ms")) == (evaluation_of(world, 1), True)
    assert {("Promote", "stage=prod"), ("Endpoint", "stage=prod")} <= links(app)
    assert not any(label.startswith("Roll back") for label, _ in links(app))

    world.add_job("job-b", sharpness=2.0)
    world.backend.registration.register_job("job-b", actor=world.backend.actor)
    world.backend.registration.decide(2, Approval.APPROVED, actor=world.backend.actor)
    world.backend.promotion.promote(Stage.PROD, 2, actor=world.backend.actor)
    st.cache_data.clear()
    app.run()
    assert version_of(app) == "v2"
    assert ("Roll back to v1", "stage=prod") in links(app)


def version_of(app: AppTest) -> str:
    """What the badge beside the name of the one stage that serves says."""
    (badge,) = {word for e in app.markdown for word in re.findall(r"inventory_2: (v\d+)", str(e.value))}
    return badge


def evaluation_of(world: World, version: int) -> str:
    evaluation = world.backend.registry.get(version).evaluation
    assert evaluation is not None
    return f"{evaluation.accuracy:.2%}"


def test_the_rate_is_of_the_time_between_two_looks(world: World, operations: RecordedOperations) -> None:
    app = open_page("endpoints")
    for _ in range(4):
        world.backend.serving.predict(Stage.PROD, canary_images())
    st.cache_data.clear()
    app.run()
    assert float(metrics(app)["Requests/s"].replace(",", "")) > 0.4


def test_another_archive_than_the_wanted_one_is_not_in_step(
    world: World, operations: RecordedOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = world.backend.serving.describe(Stage.PROD)
    wanted = ServedModel(version=2, sha256="f" * 64)
    nothing = world.backend.serving.describe(Stage.STAGING)
    moved = replace(endpoint, wanted=wanted, status=EndpointStatus.UPDATING, detail="It is being loaded.")
    monkeypatch.setattr(world.backend.serving, "describe", lambda stage: moved if stage is Stage.PROD else nothing)
    app = open_page("endpoints", stage="prod")
    assert "Not in step: archive `ffffffffffff` was asked for" in texts(app)
    assert metrics(app)["Should serve"] == "v2"
    assert "It is being loaded." in texts(app)
    assert app.get_by_key("endpoint_delete").disabled


def test_a_first_deployment_under_way_is_said_to_be(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    describe = world.backend.serving.describe

    def creating(stage: Stage) -> Endpoint:
        status = EndpointStatus.CREATING
        return replace(describe(stage), status=status, detail="It begins.") if stage is Stage.PROD else describe(stage)

    monkeypatch.setattr(world.backend.serving, "describe", creating)
    assert "It begins." in texts(open_page("endpoints"))


def test_a_server_that_stops_saying_leaves_its_last_numbers(
    world: World, operations: RecordedOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    import streamlit as st

    app = open_page("endpoints")

    def silent(stage: Stage) -> None:
        raise EndpointUnavailableError("Triton's metrics cannot be reached.")

    monkeypatch.setattr(world.backend.serving, "measure", silent)
    st.cache_data.clear()
    app.run()
    assert "since then its server does not say" in texts(app)
    assert metrics(app)["CPU"] == "25%"


def test_a_stage_that_is_down_says_why_and_can_be_restarted(world: World, operations: RecordedOperations) -> None:
    world.backend.serving.suspend(Stage.PROD)
    app = open_page("endpoints")
    assert "It does not answer." in texts(app)
    assert "It was stopped." in texts(app)
    assert app.get_by_key("loadtest_submit").disabled
    app.get_by_key("endpoint_restart_prod").click().run()
    assert world.backend.serving.describe(Stage.PROD).status is EndpointStatus.IN_SERVICE
    assert "It does not answer." not in texts(app)
    event = world.backend.audit.list_events()[0]
    assert (event.action, event.subject, event.outcome) == ("restart", "stage prod", "done")


class TestLoadTest:
    def start(self, operations: RecordedOperations) -> AppTest:
        app = open_page("endpoints", stage="prod")
        app.get_by_key("loadtest_concurrency").set_value(16).run()
        app.get_by_key("loadtest_seconds").set_value(3).run()
        operations.told = "1 of 3 s: 4,000 requests, 0 failed\n2 of 3 s: 8,000 requests, 0 failed\n"
        return app.get_by_key("loadtest_submit").click().run()

    def test_it_is_one_operation_that_is_followed_to_its_figures(self, operations: RecordedOperations) -> None:
        app = self.start(operations)
        ((operation, verb),) = operations.started
        assert verb == ["loadtest", "--stage", "prod", "--concurrency", "16", "--seconds", "3", "--json"]
        assert app.query_params["loadtest"] == operation
        assert "2 of 3 s: 8,000 requests, 0 failed. You may leave this page." in texts(app)
        assert app.get("progress")[0].proto.value == 66
        assert app.get_by_key("loadtest_submit").disabled

        operations.running, operations.said = False, json.dumps(RESULT)
        app.run()
        shown = [(metric.label, metric.value) for metric in app.metric]
        figures = [("Requests/s", "4,114"), ("p50", "2.1 ms"), ("p99", "9.5 ms"), ("Failed", "2")]
        begun = shown.index(figures[0])
        assert shown[begun : begun + 4] == figures
        assert "v1 answered 12,343 of 12,345 requests over 16 connections in 3 s" in texts(app)
        assert "2 × timeout" in texts(app)
        app.get_by_key("loadtest_submit").click().run()
        assert len({started for started, _ in operations.started}) == 2

    @pytest.mark.parametrize(
        ("said", "told", "expected"),
        [
            (json.dumps({"error": {"message": "It is gone.", "hint": "Promote."}}), "", "It is gone."),
            ("", "Killed", "It ended without an answer. Killed"),
        ],
    )
    def test_one_that_failed_says_why(
        self, operations: RecordedOperations, said: str, told: str, expected: str
    ) -> None:
        app = self.start(operations)
        operations.running, operations.said, operations.told = False, said, told
        app.run()
        assert "The load test has no result." in texts(app)
        assert expected in texts(app)

    def test_a_foreign_address_is_ignored(self, operations: RecordedOperations) -> None:
        said = texts(open_page("endpoints", stage="prod", loadtest="../../etc"))
        assert "The load test has no result." not in said

    def test_a_viewer_is_told_why_not(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        registered(world)
        world.backend.promotion.promote(Stage.STAGING, 1, actor=world.backend.actor)
        use(world.acting_as(Role.VIEWER), monkeypatch)
        app = open_page("endpoints")
        assert app.get_by_key("loadtest_submit").disabled
        assert app.get_by_key("endpoint_delete").disabled
        assert "to run a load test, you need operator" in texts(app)


class TestDelete:
    def test_prod_asks_for_its_name_first(self, operations: RecordedOperations) -> None:
        app = open_page("endpoints", stage="prod")
        app.get_by_key("endpoint_delete").click().run()
        assert app.get_by_key("confirm_typed").label == "Type digit-classification-prod to confirm"
        assert app.get_by_key("confirm_apply").disabled
        assert operations.started == []

    def test_it_is_one_operation_that_is_followed_to_its_end(
        self, world: World, operations: RecordedOperations
    ) -> None:
        world.backend.promotion.promote(Stage.STAGING, 1, actor=world.backend.actor)
        app = open_page("endpoints", stage="staging")
        app.get_by_key("endpoint_delete").click().run()
        app.get_by_key("confirm_apply").click().run()
        ((_, verb),) = operations.started
        assert verb == ["endpoints", "delete", "--stage", "staging", "--json"]
        assert "Deleting the endpoint." in texts(app)
        assert app.get_by_key("endpoint_delete").disabled

        world.backend.endpoints.delete(Stage.STAGING, actor=world.backend.actor)
        operations.running, operations.said = False, json.dumps({"name": "digit-classification-staging"})
        app.run()
        assert "Nothing is deployed to staging" in texts(app)

    def test_a_refused_deletion_says_why(self, operations: RecordedOperations, world: World) -> None:
        world.backend.promotion.promote(Stage.STAGING, 1, actor=world.backend.actor)
        app = open_page("endpoints", stage="staging")
        app.get_by_key("endpoint_delete").click().run()
        app.get_by_key("confirm_apply").click().run()
        operations.running = False
        operations.said = json.dumps({"error": {"message": "'staging' is being changed by ada.", "hint": ""}})
        app.run()
        assert "The endpoint was not deleted." in texts(app)
        assert "'staging' is being changed by ada." in texts(app)


def test_the_requests_to_copy_name_our_tensors() -> None:
    url = "http://127.0.0.1:18010"
    assert f'"name": "{INPUT}"' in curl_example(url)
    assert f"{url}/v2/models/mnist/infer" in curl_example(url)
    python = python_example(url)
    compile(python, "example", "exec")
    assert f'InferInput("{INPUT}"' in python and f'as_numpy("{OUTPUT}")' in python
