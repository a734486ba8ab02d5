"""`python -m tests.bench.runs_page [--only NAME]`: runs drawn by ours, MLflow and trackio, side by side.

The same made-up runs of 2,000 steps and 5 metrics in each program's own format, 50 and 200 of them, ours also 1,000.
The peers are installed into throw-away environments. A headless Chromium is driven; times are the browser's own clock,
from the click, or from the beginning of the navigation, until the chart is drawn. What counts as drawn favours the
peers: of them the first chart, of ours every panel.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.bench.counting import counted
from tests.bench.report import write_table
from tests.bench.runs_programs import (
    PATIENCE_MS,
    MLflow,
    Ours,
    Program,
    Trackio,
    python_with,
    resident_mb,
    stop,
    version_of,
)
from tests.e2e.conftest import FLAGS, find_chromium, free_port

SIZES: Final = (50, 200)
OURS_ALSO: Final = 1_000
BUDGET_SECONDS: Final = 100.0
"""For one figure: a program that takes a minute a load is not asked twenty times; how often it was is told."""
IDLE_SECONDS: Final = 60
COLUMNS: Final = [
    "program",
    "runs",
    "first visit, drawn",
    "opened again, drawn",
    "chosen in the page just opened, drawn",
    "chosen again, drawn",
    "filter applied",
    "kB in an idle minute",
    "server, MB",
]

# Looks at each frame whether the expression has become true, by the browser's own clock; the last look before that
# was false, so the frame in which it became true has been painted.
WATCH: Final = """expression => {
  const holds = new Function(`return (${expression})`)
  const began = performance.now()
  window.took = null
  const painted = () => { window.took = performance.now() - began }
  const look = () => requestAnimationFrame(holds() ? painted : look)
  requestAnimationFrame(look)
}"""


@dataclass
class Figures:
    """Milliseconds, by what was timed; and what was counted."""

    times: dict[str, list[float]] = field(default_factory=dict)
    idle_bytes: float = float("nan")
    memory: float = float("nan")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--loads", type=int, default=20)
    parser.add_argument("--only", default="", help="one program's name")
    parser.add_argument("--budget", type=float, default=BUDGET_SECONDS, help="seconds for one figure")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds in which bytes are counted")
    options = parser.parse_args()
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory(prefix="digits-runs-") as name, sync_playwright() as playwright:
        folder = Path(name)
        programs: list[tuple[Program, str]] = [(Ours(), "")]
        for package, make in (("mlflow", MLflow), ("trackio", Trackio)):
            if options.only.lower() in ("", package):
                interpreter = python_with(package, folder)
                programs.append((make(interpreter), version_of(interpreter, package)))
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for runs in (*SIZES, OURS_ALSO):
            for program, version in programs:
                if options.only and options.only.lower() != program.name.lower():
                    continue
                if runs > SIZES[-1] and not isinstance(program, Ours):
                    continue
                place = folder / f"{program.name.split()[0]}-{runs}"
                place.mkdir()
                figures = measure(program, browser, place, runs, options)
                rows.append([f"{program.name} {version}".strip(), f"{runs:,}", *cells(figures)])
                write_table("Runs: ours beside MLflow and trackio", COLUMNS, rows, note=note(programs, options))
        browser.close()


def note(programs: Sequence[tuple[Program, str]], options: argparse.Namespace) -> str:
    driven = " ".join(f"{program.name}: {program.driven}." for program, _ in programs)
    return (
        "Runs of 2,000 steps and 5 metrics each; medians and, in brackets, the 95th percentiles of as many times "
        f"as follow (at most {options.loads}, at most {options.budget:.0f} s for a figure). The first visit is once, "
        "with an empty browser cache, right after the server's start. Bytes are those of the connection, both ways, "
        f"counted for {options.idle:.0f} s. {driven}"
    )


def cells(figures: Figures) -> list[str]:
    told = []
    for what in ("first", "opened", "fresh", "chosen", "narrowed"):
        times = sorted(figures.times.get(what, ()))
        p95 = times[min(len(times) - 1, int(0.95 * len(times)))] if times else 0.0
        spread = f" ({p95 / 1000:.2f} s, {len(times)}x)" if what != "first" else ""
        told.append(f"{statistics.median(times) / 1000:.2f} s{spread}" if times else "did not work")
    return [*told, f"{figures.idle_bytes / 1024:,.0f}", f"{figures.memory:,.0f}"]


def measure(program: Program, browser: Browser, folder: Path, runs: int, options: argparse.Namespace) -> Figures:
    loads, budget = options.loads, options.budget
    port = free_port()
    process = program.start(folder, port, runs)
    found = Figures()
    try:
        with counted(port) as (other_port, count):
            url = program.address(other_port)
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            page = context.new_page()
            found.times["first"] = repeated(1, budget, lambda: opened(program, page, url, runs))
            found.times["opened"] = repeated(loads, budget, lambda: opened(program, page, url, runs))
            numbers = itertools.count()
            found.times["fresh"] = repeated(loads, budget, lambda: fresh(program, page, url, runs, next(numbers)))
            found.times["chosen"] = repeated(loads, budget, lambda: chosen(program, page, runs))
            found.times["narrowed"] = repeated(loads, budget, lambda: narrowed(program, page, runs))
            page.mouse.move(0, 0)
            page.wait_for_timeout(5_000)
            before = count()
            page.wait_for_timeout(1000 * options.idle)
            found.idle_bytes = (count() - before) * 60 / options.idle
            found.memory = resident_mb(process)
            context.close()
    finally:
        stop(process)
    return found


def opened(program: Program, page: Page, url: str, runs: int) -> float:
    """From the beginning of the navigation."""
    began = time.monotonic()
    program.open(page, url, runs)
    page.wait_for_function(program.all_drawn(runs), timeout=PATIENCE_MS, polling="raf")
    return 1000 * (time.monotonic() - began)


def fresh(program: Program, page: Page, url: str, runs: int, number: int) -> float:
    program.open_few(page, url, runs, number)
    page.wait_for_timeout(500)
    page.evaluate(WATCH, program.all_drawn(runs))
    program.choose(page)
    return took(page)


def chosen(program: Program, page: Page, runs: int) -> float:
    program.clear(page)
    page.wait_for_timeout(500)
    page.evaluate(WATCH, program.all_drawn(runs))
    program.choose(page)
    return took(page)


def narrowed(program: Program, page: Page, runs: int) -> float:
    page.evaluate(WATCH, program.narrowed(runs))
    program.narrow(page)
    found = took(page)
    program.widen(page, runs)
    page.wait_for_function(program.all_drawn(runs), timeout=PATIENCE_MS)
    page.wait_for_timeout(500)
    return found


def took(page: Page) -> float:
    page.wait_for_function("window.took", timeout=PATIENCE_MS)
    return float(page.evaluate("window.took"))


def repeated(times: int, budget: float, once: Callable[[], float]) -> list[float]:
    """As often as the budget allows; what a program cannot do in time ends its column, and is told."""
    found: list[float] = []
    began = time.monotonic()
    while len(found) < times and time.monotonic() - began < budget:
        try:
            found.append(once())
        except Error as error:
            print(f"gave up: {str(error).splitlines()[0]}", flush=True)
            break
    return found


if __name__ == "__main__":
    main()
