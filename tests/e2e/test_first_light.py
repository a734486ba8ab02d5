"""The whole journey, real from end to end: train, register, approve, promote, draw."""

from __future__ import annotations

import json
import re
import signal
import time

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Dashboard, ready
from tests.e2e.steps import button, draw, expect_answer

TRAINING_MS = 240_000
DEPLOYMENT_MS = 60_000
MODEL_ACCURACY = {"mnist": 0.985, "digits8x8": 0.90}
"""Floors far below what the fast preset reaches: below them something is broken, not slow."""


def test_from_nothing_to_an_answering_endpoint(page: Page, dashboard: Dashboard) -> None:
    # Nothing yet: the first page says where to begin.
    page.goto(dashboard.url)
    page.get_by_role("link", name="1. Train").click(timeout=30_000)

    # Launch with a double click: one job.
    launch = button(page, "launch_submit")
    expect(launch).to_be_enabled(timeout=30_000)
    launch.dblclick()
    page.wait_for_url(re.compile(r"/jobs\?job="), timeout=30_000)
    name = page.url.split("job=")[1]
    assert [job["name"] for job in json.loads(dashboard.command("jobs", "list", "--json"))] == [name]

    # Closing the dashboard stops nothing; this session's page follows the job to its end.
    register = button(page, "job_register")
    expect(register).to_be_enabled(timeout=TRAINING_MS)
    job = json.loads(dashboard.command("jobs", "show", name, "--json"))
    assert job["status"] == "Completed"
    assert job["run"] == name
    register.click()

    # The version is there with its evaluation; it must be approved before it can be promoted.
    page.wait_for_url(re.compile(r"/promote\?version=1"), timeout=30_000)
    promote = button(page, "promote_submit")
    expect(promote).to_be_disabled(timeout=30_000)
    expect(page.get_by_text("cannot be promoted: it is waiting for approval")).to_be_visible()
    button(page, "version_approve").click()
    expect(promote).to_be_enabled(timeout=30_000)
    promote.click()
    expect(page.get_by_text("Version 1 serves on staging.")).to_be_visible(timeout=DEPLOYMENT_MS)

    version = json.loads(dashboard.command("models", "show", "1", "--json"))
    assert version["evaluation"]["accuracy"] > MODEL_ACCURACY[version["evaluation"]["dataset"]]
    staging = next(e for e in json.loads(dashboard.command("endpoints", "--json")) if e["stage"] == "staging")
    assert staging["status"] == "InService"
    assert staging["served"] == staging["wanted"] == {"version": 1, "sha256": version["sha256"]}

    # Draw.
    page.get_by_role("link", name="Draw", exact=True).click()
    ready(page)
    for digit in (3, 7):
        draw(page, digit)
        expect_answer(page, digit)

    # Leaving and coming back keeps the drawing and its answer.
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    page.get_by_role("link", name="Draw", exact=True).click()
    expect_answer(page, 7)

    # One click on the right label keeps the drawing.
    page.locator(".st-key-draw_correct").get_by_role("radio", name="7", exact=True).click()
    expect(page.get_by_text("Kept as a 7.")).to_be_visible()
    examples = json.loads(dashboard.command("hard-examples", "list", "--json"))
    assert [(example["label"], example["predicted"], example["version"]) for example in examples] == [(7, 7, 1)]

    # A sample of the test set, picked with the mouse, is asked like a drawing and judged; the address names it.
    picker = page.locator(".st-key-card_samples .picker button")
    picker.nth(2).click()
    page.wait_for_url(re.compile(r"picture=[0-9a-f]{64}-[0-9]+"), timeout=30_000)
    verdict = page.locator(".st-key-draw_result_staging").get_by_text(re.compile(r"Right|Wrong: it is a [0-9]"))
    expect(verdict).to_be_visible(timeout=30_000)
    expect(picker.nth(2)).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(verdict).to_be_visible(timeout=30_000)
    draw(page, 3)
    expect_answer(page, 3)
    expect(verdict).to_have_count(0)

    # The request to copy is made when its fold is opened.
    page.get_by_text("Copy as curl or Python").click()
    expect(page.get_by_text("curl -s http://127.0.0.1:")).to_be_visible(timeout=30_000)


def test_a_running_job_is_stopped_from_its_page(page: Page, dashboard: Dashboard) -> None:
    launched = json.loads(dashboard.command("train", "--preset", "accurate", "--name", "to-stop", "--json"))
    assert launched["status"] in ("Pending", "InProgress")
    page.goto(f"{dashboard.url}/jobs?job=to-stop")
    button(page, "job_stop").click(timeout=30_000)
    expect(page.get_by_role("dialog")).to_contain_text("Stop to-stop?")
    button(page, "confirm_apply").click()
    expect(page.locator(".st-key-page_actions").get_by_text("Stopped")).to_be_visible(timeout=30_000)
    assert json.loads(dashboard.command("jobs", "show", "to-stop", "--json"))["status"] == "Stopped"


def test_killing_the_dashboard_ends_no_job(page: Page, dashboard: Dashboard) -> None:
    dashboard.command("train", "--preset", "fast", "--name", "survivor")
    deadline = time.monotonic() + 30
    while json.loads(dashboard.command("jobs", "show", "survivor", "--json"))["status"] != "InProgress":
        assert time.monotonic() < deadline
    dashboard.process.send_signal(signal.SIGKILL)
    dashboard.process.wait(10)
    assert json.loads(dashboard.command("jobs", "show", "survivor", "--json"))["status"] == "InProgress"
    dashboard.command("jobs", "stop", "survivor")
