"""`python -m tests.bench.first_light`: what a first visit costs and how quickly a drawn digit is answered.

Starts a dashboard on an empty home, runs the quick start by command, then draws thirty digits with the mouse in a
headless Chromium: ten digits in three stroke widths.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.bench.report import ROOT, write_section
from tests.e2e.conftest import FLAGS, Dashboard, find_chromium, free_port, ready, wait_for_health
from tests.e2e.steps import button, draw
from tests.fakes.freehand import PEN_WIDTHS

PAGES = ("", "launch", "jobs", "promote", "draw", "connections")

# From the pen's leaving the surface to both stages' new latencies on the page, by the browser's own clock. A stroke
# whose latency happens to read as the last one's is not counted.
WATCH = """() => {
  window.answers = []
  let up = 0
  document.addEventListener("pointerup", e => { if (e.target.tagName === "CANVAS") up = performance.now() }, true)
  const values = () => [...document.querySelectorAll("[class*=st-key-draw_result_] [data-testid=stMetricValue]")]
  let before = []
  document.addEventListener("pointerdown", () => { before = values().map(v => v.textContent) }, true)
  new MutationObserver(() => {
    // Both stages' latencies have changed: both have answered.
    const now = values().map(v => v.textContent)
    if (up && [2, 5].every(i => now[i] !== before[i])) { window.answers.push(performance.now() - up); up = 0 }
  }).observe(document.body, { subtree: true, childList: true, characterData: true })
}"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="digits-bench-") as folder:
        home = Path(folder)
        port = free_port()
        environment = {**os.environ, "DIGITS_HOME": str(home), "DIGITS_PORT": str(port)}
        rows: dict[str, str] = {}
        dashboard, seconds = start(home, port, environment)
        try:
            rows["`make run` to healthy, nothing to set up"] = f"{seconds:.1f} s"
            quickstart = json.loads(dashboard.command("quickstart", "--json"))
            job = json.loads(dashboard.command("jobs", "show", quickstart["job"], "--json"))
            rows["quick start, preset fast: train to prod"] = f"{quickstart['seconds']:.0f} s"
            rows["its model's test accuracy"] = f"{job['metrics']['test_accuracy']:.4f}"
            browse(dashboard, rows)
            rows["dashboard process after a visit to every page"] = f"{resident_mb(port):.0f} MB resident"
        finally:
            dashboard.process.send_signal(signal.SIGTERM)
            dashboard.process.wait(10)
            dashboard.command("stop")
        write_section("First visit", rows)


def start(home: Path, port: int, environment: dict[str, str]) -> tuple[Dashboard, float]:
    begun = time.monotonic()
    with (home / "dashboard.log").open("wb") as log:
        process = subprocess.Popen(["make", "run"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    dashboard = Dashboard(url=f"http://127.0.0.1:{port}", home=home, environment=environment, process=process)
    wait_for_health(dashboard)
    return dashboard, time.monotonic() - begun


def browse(dashboard: Dashboard, rows: dict[str, str]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        for address in PAGES:
            page.goto(f"{dashboard.url}/{address}")
            ready(page)
        page.goto(f"{dashboard.url}/draw")
        page.wait_for_selector(".st-key-digit_canvas canvas")
        page.wait_for_timeout(1000)
        page.evaluate(WATCH)
        read = {width: drawn(page, width) for width in PEN_WIDTHS}
        right = sum(digit == label for labels in read.values() for digit, label in enumerate(labels))
        rows["digits drawn with the mouse and read right"] = f"{right} of {10 * len(PEN_WIDTHS)}"
        for width, labels in read.items():
            rows[f"pen {width:g} of 280: 0 to 9 are read as"] = " ".join(labels_text(labels))
        answers = sorted(page.evaluate("window.answers"))
        p95 = answers[int(len(answers) * 0.95)]
        rows["pen up to both answers in the browser"] = (
            f"median {statistics.median(answers):.0f} ms, p95 {p95:.0f} ms over {len(answers)} strokes"
        )
        browser.close()


def drawn(page: Page, width: float) -> list[int]:
    labels = []
    value = page.locator(".st-key-draw_result_staging [data-testid=stMetricValue]").first
    for digit in range(10):
        draw(page, digit, width=width)
        page.wait_for_timeout(600)
        labels.append(int(value.inner_text()))
        button(page, "draw_clear").click()
        page.wait_for_timeout(300)
    return labels


def labels_text(labels: list[int]) -> list[str]:
    return [str(label) if label == digit else f"**{label}**" for digit, label in enumerate(labels)]


def resident_mb(port: int) -> float:
    """Of the server process: the one whose command line names the port."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            if b"streamlit" in command and str(port).encode() in command:
                status = (folder / "status").read_text()
        except OSError:
            continue
        else:
            if b"streamlit" in command and str(port).encode() in command:
                return int(status.split("VmRSS:")[1].split()[0]) / 1024
    raise RuntimeError(f"no server on port {port}")


if __name__ == "__main__":
    sys.exit(main())
