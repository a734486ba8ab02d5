"""`python -m tests.bench.screenshots`: remake the pictures in `docs/images` from a quick start of today's code.

Every picture that a page of `docs` shows is made here, and a test holds the two against each other.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, Page, sync_playwright

from backend.domain.serving import ServedModel, Stage
from tests.bench.first_light import start
from tests.bench.report import ROOT
from tests.bench.runs_data import write_wandb
from tests.contract.meddling import Meddler
from tests.e2e.conftest import FLAGS, Dashboard, find_chromium, free_port, ready
from tests.e2e.steps import button, draw, expect_answer

IMAGES: Final = ROOT / "docs" / "images"
DESKTOP: Final = (1280, 800)
TALL: Final = (1280, 1180)
PHONE: Final = (390, 844)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """`docs/images/<name>.png`: the page at `address` after `act`; `{job}` and the like are filled in."""

    name: str
    address: str
    theme: Literal["light", "dark"] = "light"
    size: tuple[int, int] = DESKTOP
    act: Callable[[Page], None] = lambda page: None


def draw_three(page: Page) -> None:
    page.wait_for_timeout(1000)
    draw(page, 3)
    expect_answer(page, 3)


def hear_the_doctor(page: Page) -> None:
    page.get_by_text("Embedded Triton").first.wait_for(timeout=90_000)


def load_test(page: Page) -> None:
    button(page, "loadtest_submit").click()
    page.locator(".st-key-loadtest_result").wait_for(timeout=60_000)


FRESH: Final = (
    Picture(name="overview-light", address=""),
    Picture(name="launch-light", address="launch"),
    Picture(name="job-dark", address="jobs?job={job}", theme="dark"),
    Picture(name="draw-light", address="draw", act=draw_three),
    Picture(name="draw-phone", address="draw", size=PHONE, act=draw_three),
    Picture(name="connections-light", address="connections", size=TALL, act=hear_the_doctor),
)
"""Of an installation on which a quick start has just ended."""

WORKED: Final = (
    Picture(name="promote-light", address="promote?version=2"),
    Picture(name="tune-light", address="jobs?job={search}", size=TALL),
    Picture(name="compare-light", address="compare?versions=1,2", size=TALL),
    Picture(name="evidence-light", address="evidence?deployment={deployment}", size=TALL),
    Picture(name="endpoints-light", address="endpoints?stage=prod", size=TALL, act=load_test),
    Picture(name="audit-light", address="audit"),
    Picture(name="runs-light", address="runs?runs_name=run-&runs_smooth=0.9", size=TALL),
)
"""After a search, a second version and forty runs more."""

DRIFTED: Final = (Picture(name="drift-light", address=""),)
"""After somebody has loaded version 2 past the deployments."""

PICTURES: Final = (*FRESH, *WORKED, *DRIFTED)


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="digits-pictures-") as folder:
        home = Path(folder)
        port = free_port()
        environment = {**os.environ, "DIGITS_HOME": folder, "DIGITS_PORT": str(port), "LOGNAME": "ada"}
        if data := environment.get("DIGITS_DATA"):
            shutil.copyfile(data, home / "mnist.npz")  # pictures name no folder of this machine
            environment["DIGITS_DATA"] = str(home / "mnist.npz")
        dashboard, _ = start(home, port, environment)
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
                take_all(browser, dashboard, home)
                browser.close()
        finally:
            dashboard.process.send_signal(signal.SIGTERM)
            dashboard.process.wait(10)
            dashboard.command("stop")


def take_all(browser: Browser, dashboard: Dashboard, home: Path) -> None:
    """The three sets of pictures, each after the work that its pages show."""

    def take(pictures: tuple[Picture, ...]) -> None:
        for picture in pictures:
            shoot(browser, dashboard, picture, names)
            print(f"{picture.name}.png", flush=True)

    names = {"job": json.loads(dashboard.command("quickstart", "--json"))["job"]}
    take(FRESH)
    search = ["--space", "lr=log(1e-4,3e-2)", "--space", "batch_size=64,128,256", "--set", "limit=6000"]
    names["search"] = json.loads(dashboard.command("tune", *search, "--max-jobs", "5", "--wait", "--json"))["job"]
    second = json.loads(dashboard.command("train", "--limit", "20000", "--seed", "7", "--wait", "--json"))["job"]
    dashboard.command("register", second)
    names["deployment"] = json.loads(dashboard.command("deployments", "list", "--stage", "prod", "--json"))[0][
        "deployment"
    ]
    write_wandb(home, 40)
    take(WORKED)
    version = json.loads(dashboard.command("models", "show", "2", "--json"))
    model = ServedModel(version=2, sha256=version["sha256"])
    Meddler(home, Stage.PROD).load(model, home / "models" / "2" / "model.tar.gz")
    take(DRIFTED)


def shoot(browser: Browser, dashboard: Dashboard, picture: Picture, names: dict[str, str]) -> None:
    width, height = picture.size
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=picture.theme)
    page = context.new_page()
    page.goto(f"{dashboard.url}/{picture.address.format(**names)}")
    ready(page)
    picture.act(page)
    page.mouse.move(0, 0)
    page.wait_for_timeout(2500)
    page.screenshot(path=IMAGES / f"{picture.name}.png")
    context.close()


if __name__ == "__main__":
    main()
