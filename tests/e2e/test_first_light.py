"""The whole journey, real from end to end: train, register, approve, promote, draw."""

from __future__ import annotations

import json
import re
import signal
import time

from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Dashboard, ready
from tests.fakes.freehand import strokes_of

TRAINING_MS = 240_000
DEPLOYMENT_MS = 60_000
ANSWER_MS = 10_000
MODEL_ACCURACY = {"mnist": 0.985, "digits8x8": 0.90}
"""Floors far below what the fast preset reaches: below them something is broken, not slow."""


def draw(page: Page, digit: int, *, width: float = 20.0) -> None:
    """Clear the canvas and draw the digit with the mouse, a stroke at a time."""
    canvas = page.locator(".st-key-digit_canvas canvas")
    button(page, "draw_clear").click()
    page.locator(".st-key-digit_canvas input[type=range]").fill(f"{width:g}")
    box = canvas.bounding_box()
    assert box is not None
    scale = box["width"] / 280
    # The second hand's seven has a crossbar: the bundled 8x8 digits know no other.
    for stroke in strokes_of(digit, hand=1):
        points = [(box["x"] + x * scale, box["y"] + y * scale) for x, y in stroke.points]
        page.mouse.move(*points[0])
        page.mouse.down()
        for x, y in points[1:]:
            page.mouse.move(x, y)
        page.mouse.up()


def button(page: Page, key: str) -> Locator:
    """The button with this key; one with a tooltip is in the page twice, for desktop and phone."""
    return page.locator(f".st-key-{key} button:visible")


def expect_answer(page: Page, digit: int) -> None:
    value = page.locator(".st-key-draw_result_staging [data-testid=stMetricValue]").first
    expect(value).to_have_text(str(digit), timeout=ANSWER_MS)


def test_from_nothing_to_an_answering_endpoint(page: Page, dashboard: Dashboard) -> None:
    # Nothing yet: the first page says where to begin.
    page.goto(dashboard.url)
    expect(page.get_by_text("Train your first model")).to_be_visible(timeout=30_000)
    page.get_by_role("link", name="Launch a training").click()

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
    expect(page.get_by_text("cannot be promoted: its approval is PendingManualApproval")).to_be_visible()
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
