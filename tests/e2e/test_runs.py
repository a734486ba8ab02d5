"""The runs page in a real browser, over W&B's files: drawn, hovered, zoomed, followed, quiet when nothing comes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.bench.counting import counted
from tests.e2e.conftest import Dashboard, ready
from tests.fakes.wandb_log import NOON, RunLog

RUNS, STEPS = 30, 300
DRAWN = "(runs) => { const d = document.querySelector('.run-charts')?.dataset; return !!d?.drawn && d.runs == runs }"
TICK_SECONDS = 2


@pytest.fixture(scope="module")
def recorded(dashboard: Dashboard) -> Iterator[RunLog]:
    """Thirty runs that have ended, and one that goes on."""
    folder = dashboard.home / "wandb"
    for number in range(RUNS):
        with RunLog(
            folder, f"run-{number:02}", began=NOON + timedelta(minutes=number), config={"lr": number / 100}
        ) as log:
            for step in range(STEPS):
                log.log({"loss": (1 + number / 10) * math.exp(-step / 100), "acc": 1 - math.exp(-step / 50) / 2})
            log.exit()
    with RunLog(folder, "running", began=NOON + timedelta(hours=2), config={"lr": 1.0}) as log:
        log.log({"loss": 3.0, "acc": 0.1})
        log.log({"loss": 2.5, "acc": 0.2})
        yield log


def open_runs(page: Page, url: str, runs: int, address: str = "") -> None:
    page.goto(f"{url}/runs?{address}")
    ready(page)
    page.wait_for_function(DRAWN, arg=runs, timeout=30_000)


def attribute(page: Page, name: str) -> str:
    return str(page.evaluate(f"document.querySelector('.run-charts').dataset.{name}"))


def test_all_are_drawn_hovered_and_zoomed_together(page: Page, dashboard: Dashboard, recorded: RunLog) -> None:
    open_runs(page, dashboard.url, 8)
    page.locator(".st-key-runs_all button").click()
    page.wait_for_function(DRAWN, arg=RUNS + 1)
    assert "runs=all" in page.url
    loss = page.locator(".run-charts figure", has_text="loss").locator("canvas[tabindex]")
    loss.scroll_into_view_if_needed()
    box = loss.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    values = page.locator(".run-charts__list b")
    expect(values.first).to_be_visible()
    told = [float(text) for text in values.all_inner_texts()]
    assert len(told) == 12, "of thirty, those around the pointer"
    assert told == sorted(told, reverse=True)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 40, steps=4)
    page.mouse.up()
    page.wait_for_url("**zoom=*")
    page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + 40)
    page.wait_for_function("!location.href.includes('zoom=')")


def test_a_colleague_sees_the_same_at_the_address(page: Page, dashboard: Dashboard, recorded: RunLog) -> None:
    open_runs(
        page, dashboard.url, 10, "runs=all&runs_filter=lr+%3C+0.095&zoom=50,100&runs_metrics=loss&runs_smooth=0.6"
    )
    assert page.locator(".run-charts figure").count() == 1
    expect(page.locator(".run-charts__reset")).to_be_visible()
    expect(page.locator(".run-charts__legend button")).to_have_count(10)


def test_a_look_that_finds_nothing_new_is_small_and_draws_nothing(
    page: Page, dashboard: Dashboard, recorded: RunLog
) -> None:
    with counted(int(dashboard.url.rpartition(":")[2])) as (port, count):
        # Another page than the fixture's, which holds requests to other ports against it.
        other = page.context.browser.new_page()  # type: ignore[union-attr]
        open_runs(other, f"http://127.0.0.1:{port}", RUNS + 1, "runs=all")
        other.wait_for_timeout(3 * 1000 * TICK_SECONDS)
        draws, before = attribute(other, "draws"), count()
        other.wait_for_timeout(5 * 1000 * TICK_SECONDS)
        assert (count() - before) / 5 < 2048
        assert attribute(other, "draws") == draws
        other.close()


def test_what_a_training_logs_comes_by_itself_and_the_zoom_stays(
    page: Page, dashboard: Dashboard, recorded: RunLog
) -> None:
    open_runs(page, dashboard.url, 1, "runs=digit_classification/running&zoom=0,2.5")
    before = attribute(page, "drawn")
    recorded.log({"loss": 1.0, "acc": 0.9})
    page.wait_for_function("before => document.querySelector('.run-charts').dataset.drawn !== before", arg=before)
    assert "zoom=0%2C2.5" in page.url or "zoom=0,2.5" in page.url
    expect(page.locator(".run-charts figure", has_text="highest 0.9").first).to_be_visible()
