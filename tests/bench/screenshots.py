"""`python -m tests.bench.screenshots`: remake the pictures in `docs/images` from a quick start of today's code."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.bench.first_light import start
from tests.bench.report import ROOT
from tests.bench.runs_data import write_wandb
from tests.e2e.conftest import FLAGS, Dashboard, find_chromium, free_port, ready
from tests.e2e.steps import draw, expect_answer

IMAGES = ROOT / "docs" / "images"
DESKTOP = {"width": 1280, "height": 800}
TALL = {"width": 1280, "height": 1180}
PHONE = {"width": 390, "height": 844}


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="digits-pictures-") as folder:
        port = free_port()
        environment = {**os.environ, "DIGITS_HOME": folder, "DIGITS_PORT": str(port), "LOGNAME": "ada"}
        dashboard, _ = start(Path(folder), port, environment)
        try:
            job = json.loads(dashboard.command("quickstart", "--json"))["job"]
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
                picture(browser, dashboard, "", "overview-light")
                picture(browser, dashboard, "launch", "launch-light")
                picture(browser, dashboard, f"jobs?job={job}", "job-dark", dark=True)
                picture(browser, dashboard, "promote", "promote-light")
                picture(browser, dashboard, "draw", "draw-light")
                picture(browser, dashboard, "draw", "draw-phone", phone=True)
                write_wandb(Path(folder), 40)
                picture(browser, dashboard, "runs?runs_name=run-&runs_smooth=0.9", "runs-light", tall=True)
                browser.close()
        finally:
            dashboard.process.send_signal(signal.SIGTERM)
            dashboard.process.wait(10)
            dashboard.command("stop")


def picture(
    browser: Browser,
    dashboard: Dashboard,
    address: str,
    name: str,
    *,
    dark: bool = False,
    phone: bool = False,
    tall: bool = False,
) -> None:
    context = browser.new_context(
        viewport=PHONE if phone else TALL if tall else DESKTOP, color_scheme="dark" if dark else "light"
    )
    page: Page = context.new_page()
    page.goto(f"{dashboard.url}/{address}")
    ready(page)
    if address == "draw":
        page.wait_for_timeout(1000)
        draw(page, 3)
        expect_answer(page, 3)
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)
    page.screenshot(path=IMAGES / f"{name}.png")
    context.close()


if __name__ == "__main__":
    main()
