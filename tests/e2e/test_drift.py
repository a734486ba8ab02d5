"""Somebody loads past the deployments; a person at the browser sees it, restores, and reads and keeps the evidence."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.triton.load import TritonLoad
from backend.domain.promotion import Outcome
from backend.domain.registry import Approval
from backend.domain.serving import ServedModel, Stage
from tests.contract.meddling import Meddler
from tests.contract.serving_platforms import SERVING_ENV
from tests.e2e.conftest import Dashboard, ready
from tests.e2e.steps import button
from tests.fakes.backend import World, make_world

pytestmark = pytest.mark.triton


@pytest.fixture
def world(dashboard: Dashboard) -> Iterator[World]:
    """Prod of the dashboard's home serves version 1; version 2 is approved."""
    world = make_world(dashboard.home, LocalEndpoints(dashboard.home, SERVING_ENV), TritonLoad())
    for number in (1, 2):
        world.add_job(f"job-{number}", sharpness=number)
        world.backend.registration.register_job(f"job-{number}", actor=world.backend.actor)
        world.backend.registration.decide(number, Approval.APPROVED, actor=world.backend.actor)
    done = world.backend.promotion.promote(Stage.PROD, 1, actor=world.backend.actor)
    assert done.outcome is Outcome.SUCCEEDED
    yield world
    world.backend.serving.delete(Stage.PROD)


def test_a_drift_is_seen_restored_and_its_evidence_kept(
    page: Page, dashboard: Dashboard, world: World, tmp_path: Path
) -> None:
    page.goto(dashboard.url)
    ready(page)
    headline = page.get_by_text("Production should serve v1 and serves v2.")
    expect(headline).to_have_count(0)
    version = world.backend.registry.get(2)
    model = ServedModel(version=2, sha256=version.sha256)
    Meddler(dashboard.home, Stage.PROD).load(model, world.backend.registry.fetch_archive(version))

    # The open page tells it by itself, and the runner has recorded it.
    begun = time.monotonic()
    expect(headline).to_be_visible(timeout=15_000)
    seconds = time.monotonic() - begun
    assert seconds < 10, seconds
    button(page, "drift_restore_prod").click()
    expect(page.get_by_role("dialog")).to_contain_text("Restore v1 on prod?")
    button(page, "confirm_apply").click()

    # It is followed where deployments are, and the banner goes.
    page.wait_for_url("**/promote?deployment=prod-v1-*", timeout=30_000)
    expect(page.get_by_text("Version 1 serves on prod.")).to_be_visible(timeout=60_000)
    expect(headline).to_have_count(0, timeout=15_000)
    expect(page.get_by_text("0 failed requests")).to_be_visible()
    assert json.loads(dashboard.command("guard", "--json"))[1]["well"] is True

    # The evidence has an address of its own, and is one file that loads nothing.
    page.get_by_role("link", name="Evidence, to read, print or export").click()
    page.wait_for_url("**/evidence?deployment=prod-v1-*")
    deployment = page.url.split("deployment=")[1]
    expect(page.get_by_text("restoration of version 1 to prod")).to_be_visible(timeout=30_000)
    with page.expect_download() as download:
        button(page, "evidence_html").click()
    file = tmp_path / "evidence.html"
    download.value.save_as(file)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    expect(page.get_by_role("heading", name="prod: v2 → v1, Succeeded")).to_be_visible()
    assert asked == [file.as_uri()]
    shown = json.loads(dashboard.command("deployments", "show", deployment, "--json"))
    assert (shown["kind"], shown["failed_requests"]) == ("restore", 0)
    actions = [(event["action"], event["outcome"]) for event in json.loads(dashboard.command("audit", "--json"))]
    assert {("drift", "drifted"), ("restore", "Succeeded")} <= set(actions)
