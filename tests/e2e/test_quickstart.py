"""The first visit: one button, and both stages answer."""

from __future__ import annotations

import json

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Dashboard
from tests.e2e.steps import button, draw, expect_answer

QUICKSTART_MS = 300_000


def test_one_button_from_nothing_to_both_stages_answering(page: Page, dashboard: Dashboard) -> None:
    page.goto(dashboard.url)
    button(page, "quickstart").dblclick(timeout=30_000)
    expect(page.locator(".st-key-steps_quickstart")).to_contain_text("Train", timeout=30_000)

    # A reload in the middle finds it running.
    page.reload()
    expect(page.locator(".st-key-steps_quickstart")).to_contain_text("Train", timeout=30_000)
    expect(page.get_by_text("Quick start finished in")).to_be_visible(timeout=QUICKSTART_MS)

    assert len(json.loads(dashboard.command("jobs", "list", "--json"))) == 1
    (version,) = json.loads(dashboard.command("models", "list", "--json"))
    assert (version["approval"], version["approval_comment"]) == ("Approved", "Quick start")
    for endpoint in json.loads(dashboard.command("endpoints", "--json")):
        assert endpoint["status"] == "InService"
        assert endpoint["served"] == endpoint["wanted"] == {"version": 1, "sha256": version["sha256"]}

    page.get_by_role("link", name="Draw", exact=True).click()
    draw(page, 3)
    for stage in ("staging", "prod"):
        expect_answer(page, 3, stage)
