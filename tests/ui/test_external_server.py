"""Stages on Tritons that somebody else runs: the pages say so, and what cannot be done from here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backend.adapters.local.endpoint_logs import LocalServerLogs
from backend.adapters.local.external_server import ExternalTriton
from backend.domain.serving import Endpoint, Stage
from tests.fakes.backend import World
from tests.ui.conftest import open_page, texts, use
from tests.ui.test_draw_page import drawn
from tests.ui.test_draw_trouble import serving_both

TOLD = ExternalTriton(url="http://triton-staging:8000", repository=Path("/models/staging")).told(Stage.STAGING)


@pytest.fixture
def external(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Version 1 serves at both; staging's server is somebody else's."""
    serving_both(world)
    describe = world.backend.serving.describe

    def described(stage: Stage) -> Endpoint:
        return replace(describe(stage), external=TOLD if stage is Stage.STAGING else "")

    monkeypatch.setattr(world.backend.serving, "describe", described)
    logs = LocalServerLogs(world.home.root, {Stage.STAGING})
    use(replace(world, backend=replace(world.backend, server_logs=logs)), monkeypatch)
    return world


def test_endpoints_says_whose_server_it_is_and_what_is_done_elsewhere(external: World) -> None:
    said = texts(open_page("endpoints", stage="staging"))
    assert said.count(TOLD) == 1
    assert "What the server itself writes is with whoever runs it" in said
    assert "from elsewhere it may have another" in said
    assert "It listens on this machine only." not in said
    assert "is up to whoever runs them" in said and "One Triton serves a stage on this machine" not in said
    assert "endpoints logs --stage staging --source supervisor" in said


def test_a_stage_of_our_own_is_told_as_before(external: World) -> None:
    said = texts(open_page("endpoints", stage="prod"))
    assert "It listens on this machine only." in said
    assert "What the server itself writes" not in said
    assert "endpoints logs --stage prod --source Triton" in said


def test_it_is_not_restarted_but_connected_to_again(external: World) -> None:
    for stage in Stage:
        external.backend.serving.suspend(stage)
    app = open_page("endpoints", stage="staging")
    assert app.button(key="endpoint_restart_staging").label == "Connect again"
    assert app.button(key="endpoint_restart_prod").label == "Restart"
    assert TOLD in texts(app)
    again = [link.proto.query_string for link in app.get("page_link") if link.proto.label == "Promote v1 once more"]
    assert again == ["stage=prod&version=1", "stage=staging&version=1"]


def test_draw_says_before_the_first_stroke_that_nobody_will_answer(external: World) -> None:
    external.backend.serving.suspend(Stage.STAGING)
    app = open_page("draw")
    assert texts(app).count("Failed") == 1
    assert texts(app).count("external server") == 1


def test_deleting_says_that_the_server_runs_on(external: World) -> None:
    app = open_page("endpoints", stage="staging")
    app.button(key="endpoint_delete").click().run()
    assert "the model is unloaded from it, the server itself runs on" in texts(app)
    app = open_page("endpoints", stage="prod")
    app.button(key="endpoint_delete").click().run()
    assert "the server itself runs on" not in texts(app)


def test_draw_says_who_answers(external: World) -> None:
    said = texts(drawn())
    sha256 = external.backend.registry.get(1).sha256[:12]
    assert f"archive `{sha256}` · external server" in said
    assert said.count("external server") == 1
