"""A search, real from end to end: launched in the browser, reloaded midway, its best trial registered, one stopped."""

from __future__ import annotations

import json
import re
from typing import Any

from playwright.sync_api import Page, expect

from tests.contract.training_platforms import wait_until
from tests.e2e.conftest import Dashboard, ready
from tests.e2e.steps import button

SEARCH_MS = 240_000
FEW_IMAGES = "1500"


def show(dashboard: Dashboard, name: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(dashboard.command("jobs", "show", name, "--json"))
    return shown


def fill(page: Page, key: str, value: str) -> None:
    field = page.locator(f".st-key-{key} input")
    field.fill(value)
    field.press("Enter")
    ready(page)


def test_a_search_is_launched_followed_and_its_best_trial_registered(page: Page, dashboard: Dashboard) -> None:
    page.goto(f"{dashboard.url}/launch?mode=tune")
    launch = button(page, "launch_submit")
    expect(launch).to_be_enabled(timeout=30_000)
    page.get_by_text("More hyperparameters").click()
    fill(page, "launch_fast_limit", FEW_IMAGES)
    fill(page, "tune_max_jobs", "2")
    launch.dblclick()
    page.wait_for_url(re.compile(r"/jobs\?job=tune-"), timeout=30_000)
    name = page.url.split("job=")[1]

    # A reload in its midst finds it, and one click was one job.
    expect(page.get_by_text("You may leave this page")).to_be_visible(timeout=30_000)
    page.reload()
    register = button(page, "job_register")
    expect(register).to_be_enabled(timeout=SEARCH_MS)  # the first trial has completed
    expect(page.get_by_text("2 of 2", exact=True)).to_be_visible(timeout=SEARCH_MS)
    jobs = json.loads(dashboard.command("jobs", "list", "--json"))
    assert [job["name"] for job in jobs if job["kind"] == "tuning"] == [name]

    wait_until(lambda: show(dashboard, name)["status"] == "Completed", 60)
    search = show(dashboard, name)
    assert [trial["status"] for trial in search["trials"]] == ["Completed", "Completed"]
    assert {trial["hyperparameters"]["batch_size"] for trial in search["trials"]} <= {128, 256, 512}
    values = [trial["value"] for trial in search["trials"]]
    assert search["best_trial"]["value"] == max(values) > 0.1  # better than chance, after so few images

    button(page, "job_register").click()
    page.wait_for_url(re.compile(r"/promote\?version=1"), timeout=30_000)
    version = json.loads(dashboard.command("models", "show", "1", "--json"))
    assert version["source_job"] == search["best_trial"]["job"]


def test_a_search_is_stopped_after_its_running_trial(page: Page, dashboard: Dashboard) -> None:
    dashboard.command("tune", "--set", f"limit={FEW_IMAGES}", "--max-jobs", "9", "--name", "endless")
    page.goto(f"{dashboard.url}/jobs?job=endless")
    wait_until(lambda: bool(show(dashboard, "endless")["trials"]), 30)
    button(page, "job_stop").click(timeout=30_000)
    page.get_by_role("button", name="Stop after the running trials").click(timeout=30_000)
    expect(page.get_by_text("Stopping after the running trials.")).to_be_visible(timeout=30_000)
    expect(button(page, "job_resume")).to_be_visible(timeout=SEARCH_MS)
    search = show(dashboard, "endless")
    assert search["status"] == "Stopped"
    assert {trial["status"] for trial in search["trials"]} == {"Completed"}
    assert len(search["trials"]) < 9
