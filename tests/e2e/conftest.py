"""A real dashboard on a home of its own, and a real browser that looks at it."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "test-results"
START_SECONDS = 30
READY = "[data-testid=stApp][data-test-script-state=notRunning][data-test-connection-state=CONNECTED]"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A running dashboard."""

    url: str
    home: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    def command(self, *arguments: str) -> str:
        """What `python -m backend <arguments>` prints on the same home; fails when the command does."""
        return subprocess.run(
            [sys.executable, "-m", "backend", *arguments],
            env=self.environment,
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    home = tmp_path_factory.mktemp("home")
    port = free_port()
    environment = {**os.environ, "DIGITS_HOME": str(home), "DIGITS_PORT": str(port), "DIGITS_ROLE": "approver"}
    log = (home / "dashboard.log").open("wb")
    process = subprocess.Popen([sys.executable, "-m", "app"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    running = Dashboard(url=f"http://127.0.0.1:{port}", home=home, environment=environment, process=process)
    try:
        wait_for_health(running)
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        log.close()
        running.command("stop")


def wait_for_health(dashboard: Dashboard) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{dashboard.url}/_stcore/health", timeout=1):  # noqa: S310 - our own
                return
        except (urllib.error.URLError, OSError):
            log = (dashboard.home / "dashboard.log").read_text()
            assert dashboard.process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.1)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield chromium
        chromium.close()


def find_chromium() -> str:
    """The browser that the set-up found or installed."""
    spec = importlib.util.spec_from_file_location("project_setup", ROOT / ".ci" / "setup.py")
    assert spec is not None and spec.loader is not None
    setup = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(setup)
    return str(setup.find_chromium())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Keep a picture of the page that a test failed on."""
    report = yield
    if report.when == "call" and report.failed and "page" in item.funcargs:
        RESULTS.mkdir(exist_ok=True)
        item.funcargs["page"].screenshot(path=RESULTS / f"{item.name}.png")
    return report


@pytest.fixture
def page(browser: Browser, dashboard: Dashboard) -> Iterator[Page]:
    """A page that fails the test on a script error or a request to another host."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    foreign: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda r: foreign.append(r.url) if r.url.startswith("http") and not ours(r.url) else None)

    def ours(url: str) -> bool:
        return url.startswith(dashboard.url)

    yield page
    context.close()
    assert errors == []
    assert foreign == []


def ready(page: Page) -> None:
    """Return when the page's script has run to its end."""
    page.wait_for_selector(READY, timeout=30_000)
