"""The platform of a session: chosen, kept in the address, refused with a reason; and never another session's data."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import context, queries
from backend.domain.identity import Role
from backend.errors import AccessError
from backend.settings import Settings
from tests.fakes.backend import World, make_world
from tests.fakes.operations import RecordedOperations
from tests.fakes.serving import FakeServing
from tests.ui.conftest import MAIN, TIMEOUT, UNEXPECTED, texts

AWS = {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "SM_ARN_ROLE": "arn:aws:iam::123456789012:role/digits-execution",
    "DIGITS_S3_BUCKET": "digits-test",
}


@pytest.fixture
def worlds(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, World]]:
    """One for each platform, each with its own job, version and operations; all that SageMaker needs is set."""
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    found = {"local": world, "sagemaker": make_world(tmp_path / "aws", FakeServing(tmp_path / "aws-locks"))}
    for name, one in found.items():
        one.add_job(f"job-of-{name}")
        one.backend.registration.register_job(f"job-of-{name}", actor=one.backend.actor)
    found = {name: acting_through(RecordedOperations(), one) for name, one in found.items()}
    monkeypatch.setattr(context, "connect", lambda settings, *, watched: found[settings.platform].backend)
    yield found
    found["sagemaker"].candidates.close()


def acting_through(operations: RecordedOperations, world: World) -> World:
    return replace(world, backend=replace(world.backend, operations=operations))


def opened(page: str = "", **address: str) -> AppTest:
    """A new session at this address, as a browser opens it."""
    app = AppTest.from_file(MAIN, default_timeout=TIMEOUT)
    for name, value in address.items():
        app.query_params[name] = value
    app.run()
    if page:
        app.switch_page(f"../pages/{page}.py").run()
    assert not app.exception
    assert UNEXPECTED not in texts(app)
    return app


def go_to(app: AppTest, platform: str) -> AppTest:
    """Choose it; the page is drawn anew once the browser has taken it down, which is a run of its own."""
    app.segmented_control(key="platform_switch").set_value(platform).run()
    return app.run()


def address(app: AppTest) -> str:
    found = app.query_params.get("platform", "")
    return found[0] if isinstance(found, list) else found


class TestWhatASessionSees:
    def test_two_sessions_on_two_platforms_see_their_own(self, worlds: Mapping[str, World]) -> None:
        """At once: whatever the first has asked is still kept when the second asks."""
        for page, of in (("jobs", "job-of-{}"), ("overview", "job-of-{}"), ("promote", "job-of-{}")):
            here, there = opened(page), opened(page, platform="sagemaker")
            assert of.format("local") in everything(here), page
            assert of.format("sagemaker") not in everything(here), page
            assert of.format("sagemaker") in everything(there), page
            assert of.format("local") not in everything(there), page

    def test_going_there_and_back_shows_each_platforms_own(self, worlds: Mapping[str, World]) -> None:
        app = opened("jobs")
        go_to(app, "sagemaker")
        assert address(app) == "sagemaker"
        assert "job-of-sagemaker" in everything(app) and "job-of-local" not in everything(app)
        go_to(app, "local")
        assert address(app) == ""
        assert "job-of-local" in everything(app) and "job-of-sagemaker" not in everything(app)

    def test_nothing_of_the_page_before_is_drawn_while_it_is_left(self, worlds: Mapping[str, World]) -> None:
        app = opened("jobs")
        app.segmented_control(key="platform_switch").set_value("sagemaker").run()
        assert "Going to Amazon SageMaker" in texts(app)
        assert "job-of" not in everything(app)

    def test_the_address_is_kept_from_page_to_page_and_decides_where_a_session_begins(
        self, worlds: Mapping[str, World]
    ) -> None:
        app = opened(platform="sagemaker")
        app.switch_page("../pages/jobs.py").run()
        assert address(app) == "sagemaker"
        assert "job-of-sagemaker" in everything(app)
        assert "job-of-local" in everything(opened("jobs", platform="moon"))

    def test_the_usual_platform_is_the_settings_one_and_needs_no_address(
        self, worlds: Mapping[str, World], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DIGITS_PLATFORM", "sagemaker")
        app = opened("jobs")
        assert (address(app), app.segmented_control(key="platform_switch").value) == ("", "sagemaker")
        assert "job-of-sagemaker" in everything(app)
        go_to(app, "local")
        assert address(app) == "local"
        assert "job-of-local" in everything(app)

    def test_a_filter_of_one_platform_is_not_the_others(self, worlds: Mapping[str, World]) -> None:
        app = opened("jobs")
        app.text_input(key="jobs_search").set_value("zebra").run()
        assert "No job matches" in texts(app)
        go_to(app, "sagemaker")
        assert app.text_input(key="jobs_search").value == ""
        assert "No job matches" not in texts(app)

    def test_one_backend_is_made_for_each_platform(
        self, worlds: Mapping[str, World], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[str] = []

        def connect(settings: Settings, *, watched: bool) -> object:
            made.append(settings.platform)
            return worlds[settings.platform].backend

        monkeypatch.setattr(context, "connect", connect)
        opened("jobs")
        assert made == ["local"]  # nobody has asked for the other
        for _ in range(2):
            go_to(opened("jobs"), "sagemaker")
        assert made == ["local", "sagemaker"]

    def test_a_thread_that_draws_no_session_has_no_platform(self, worlds: Mapping[str, World]) -> None:
        failures: list[BaseException] = []

        def look() -> None:
            try:
                queries.jobs()
            except RuntimeError as error:
                failures.append(error)

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        assert "draws none" in str(failures)


class TestWhatIsUnderWay:
    def test_an_operation_is_of_the_platform_it_was_started_on_and_waits_there(
        self, worlds: Mapping[str, World]
    ) -> None:
        here, there = (worlds[name].backend.operations for name in ("local", "sagemaker"))
        assert isinstance(here, RecordedOperations) and isinstance(there, RecordedOperations)
        app = opened("connections")
        ((doctor, verb),) = here.started
        assert (verb, there.started) == (["doctor", "--json"], [])
        go_to(app, "sagemaker")
        ((other, _),) = there.started
        assert other != doctor
        here.running = False
        here.said = '{"ok": true, "checks": [{"name": "Disk", "ok": true, "detail": "roomy", "fix": "", "seconds": 0}]}'
        go_to(app, "local")
        assert "roomy" in texts(app)
        assert len(here.started) == 1

    def test_a_drawing_comes_along(self, worlds: Mapping[str, World]) -> None:
        app = opened("draw")
        app.session_state["strokes"] = [{"width": 20, "points": [[140, 40], [140, 240]]}]
        app.session_state["answered"] = "what an endpoint of this platform said"
        go_to(app, "sagemaker")
        assert app.session_state["strokes"] == [{"width": 20, "points": [[140, 40], [140, 240]]}]
        assert "answered" not in app.session_state
        go_to(app, "local")
        assert app.session_state["answered"] == "what an endpoint of this platform said"

    def test_a_command_works_where_the_session_does(self, worlds: Mapping[str, World]) -> None:
        assert "python -m backend doctor" in [code.value for code in opened("connections").code]
        there = opened("connections", platform="sagemaker")
        assert "python -m backend doctor --platform sagemaker" in [code.value for code in there.code]


class TestRefusing:
    def test_a_platform_that_lacks_a_setting_is_there_and_says_which(
        self, worlds: Mapping[str, World], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SM_ARN_ROLE")
        app = opened("jobs")
        switch = app.segmented_control(key="platform_switch")
        assert (switch.options, switch.disabled) == (["Local", "SageMaker"], True)
        assert "The platform sagemaker needs SM_ARN_ROLE, which is not set." in texts(app)
        assert "Set it up" in [link.proto.label for link in app.get("page_link")]
        said = texts(opened("connections"))
        assert "Amazon SageMaker is not set up" in said and "docs/aws.md says how" in said

    def test_its_address_shows_why_and_the_way_back_and_no_data_of_the_other(
        self, worlds: Mapping[str, World], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("DIGITS_S3_BUCKET")
        app = opened("jobs", platform="sagemaker")
        said = texts(app)
        assert "Amazon SageMaker cannot be used from here." in said
        assert "needs DIGITS_S3_BUCKET" in said and "Set it in .env" in said
        assert "job-of" not in everything(app)
        app.button(key="platform_home").click().run()
        app.run()
        assert "job-of-local" in everything(app)

    def test_without_credentials_every_page_says_so_and_connections_examines(
        self, worlds: Mapping[str, World], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        why = AccessError("This machine has no credentials for AWS.", hint="Set AWS_PROFILE in .env.")
        there = replace(worlds["sagemaker"].backend, refusal=lambda: why)
        backends = {"local": worlds["local"].backend, "sagemaker": there}
        monkeypatch.setattr(context, "connect", lambda settings, *, watched: backends[settings.platform])
        for page in ("", "jobs", "draw"):
            said = texts(opened(page, platform="sagemaker"))
            assert "This machine has no credentials for AWS." in said and "Set AWS_PROFILE in .env." in said
        app = opened("connections", platform="sagemaker")
        assert "This machine has no credentials for AWS." in texts(app)
        assert isinstance(there.operations, RecordedOperations)
        assert [verb for _, verb in there.operations.started] == [["doctor", "--json"]]

    def test_who_is_here_is_told_also_where_nothing_can_be_asked(
        self, worlds: Mapping[str, World], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        here = worlds["local"].acting_as(Role.VIEWER).backend
        monkeypatch.setattr(context, "connect", lambda settings, *, watched: here)
        assert "**ada**" in texts(opened("jobs", platform="sagemaker"))


def everything(app: AppTest) -> str:
    """What the page says and holds in tables and choices."""
    tables = [str(table.value) for kind in ("dataframe", "arrow_data_frame") for table in app.get(kind)]
    choices = [f"{box.options} {box.value}" for kind in ("selectbox", "multiselect") for box in app.get(kind)]
    links = [link.proto.label for link in app.get("page_link")]
    return "\n".join([texts(app), *tables, *choices, *links])
