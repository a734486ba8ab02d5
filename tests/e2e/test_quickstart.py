"""The first visit: one button, and both stages answer."""

from __future__ import annotations

import json
import os
import signal

from playwright.sync_api import Page, expect

from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.processes import is_held
from backend.domain.serving import Stage
from tests.e2e.conftest import Dashboard
from tests.e2e.steps import button, draw, expect_answer

QUICKSTART_MS = 300_000
DEPLOYMENT_MS = 60_000


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


REASON = "A journey through the browser, nobody's digits"


def test_a_second_model_goes_to_prod_and_back(page: Page, dashboard: Dashboard) -> None:
    if not json.loads(dashboard.command("models", "list", "--json")):
        dashboard.command("quickstart")
    job = json.loads(dashboard.command("train", "--limit", "20000", "--epochs", "1", "--wait", "--json"))["job"]
    assert json.loads(dashboard.command("register", job, "--json"))["version"] == 2

    # To staging, with a reload in its midst: the page's address carries the deployment.
    page.goto(f"{dashboard.url}/promote?version=2")
    button(page, "version_approve").click(timeout=30_000)
    button(page, "promote_submit").click(timeout=30_000)
    reload_in_the_midst_of(page, dashboard, "staging-v2-")
    expect(page.get_by_text("Version 2 serves on staging.")).to_be_visible(timeout=DEPLOYMENT_MS)
    assert served(dashboard) == {"staging": 2, "prod": 1}

    # On to prod. Trained on a third of the images it is worse, and the gates say so: an approver gives a reason, which
    # is kept. A double click is one deployment, and a reload in its midst finds it.
    page.locator(".st-key-promote_stage").get_by_role("radio", name="Production").click()
    button(page, "promote_submit").click(timeout=30_000)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Override 2 of 10 gates and promote v2?")
    expect(dialog).to_contain_text("not worse on the test set, not worse on drawings")
    expect(button(page, "confirm_apply")).to_be_disabled()
    dialog.get_by_role("textbox").fill(REASON)
    dialog.get_by_role("textbox").press("Tab")
    expect(button(page, "confirm_apply")).to_be_enabled()
    button(page, "confirm_apply").dblclick()
    reload_in_the_midst_of(page, dashboard, "prod-v2-")
    expect(page.get_by_text("Version 2 serves on prod.")).to_be_visible(timeout=DEPLOYMENT_MS)
    assert served(dashboard) == {"staging": 2, "prod": 2}

    # And back, to what served well before.
    button(page, "rollback_submit").click(timeout=30_000)
    expect(page.get_by_role("dialog")).to_contain_text("Roll back prod to v1?")
    button(page, "confirm_apply").click()
    reload_in_the_midst_of(page, dashboard, "prod-v1-")
    expect(page.get_by_text("Version 1 serves on prod.")).to_be_visible(timeout=DEPLOYMENT_MS)
    assert served(dashboard) == {"staging": 2, "prod": 1}
    events = [
        (event["action"], event["subject"], event["outcome"])
        for event in json.loads(dashboard.command("audit", "--subject", "stage prod", "--json"))
    ]
    (overridden,) = [
        deployment["override"]
        for deployment in json.loads(dashboard.command("deployments", "list", "--stage", "prod", "--json"))
        if deployment["override"]
    ]
    assert overridden["reason"] == REASON
    assert events[:2] == [("rollback", "stage prod", "Succeeded"), ("promote", "stage prod", "Succeeded")]


def test_a_killed_endpoint_is_seen_within_five_seconds_and_restarted_with_a_button(
    page: Page, dashboard: Dashboard
) -> None:
    if not json.loads(dashboard.command("models", "list", "--json")):
        dashboard.command("quickstart")
    version = served(dashboard)["staging"]
    page.goto(dashboard.url)
    expect(page.locator(".st-key-card_stage_staging").get_by_text("In service")).to_be_visible(timeout=30_000)
    status = EndpointFolder(dashboard.home, Stage.STAGING).status()
    assert status is not None

    os.kill(status.pid, signal.SIGKILL)

    need = page.get_by_text(f"digit-classification-staging should serve v{version} and is Failed.")
    expect(need).to_be_visible(timeout=5_000)
    page.get_by_role("link", name="Look at the endpoint").click()
    page.wait_for_url("**/endpoints?stage=staging**", timeout=30_000)
    card = page.locator(".st-key-card_endpoint_staging")
    expect(card).to_contain_text("Its supervisor ended", timeout=30_000)
    button(page, "endpoint_restart_staging").click()
    expect(card.get_by_text("In service")).to_be_visible(timeout=30_000)
    expect(card).to_contain_text("In step")


def reload_in_the_midst_of(page: Page, dashboard: Dashboard, deployment: str) -> None:
    """Reload while the deployment whose id begins so runs; its own steps go on under the same address."""
    page.wait_for_url(f"**deployment={deployment}**", timeout=30_000)
    name = page.url.split("deployment=")[1].split("&")[0]
    operation = dashboard.home / "operations" / name / "lock"
    assert is_held(operation), "the deployment had ended before the reload"
    page.reload()
    expect(page.locator(f".st-key-steps_{name}")).to_contain_text("Validate", timeout=30_000)
    assert name in page.url


def served(dashboard: Dashboard) -> dict[str, int]:
    endpoints = json.loads(dashboard.command("endpoints", "--json"))
    return {endpoint["stage"]: endpoint["served"]["version"] for endpoint in endpoints}
