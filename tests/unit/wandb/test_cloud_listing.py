"""The list of runs and its server: what is asked when, and what stays when nobody answers. The process is scripted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backend.adapters.wandb.cloud_listing import FRESH, WHOLE, CloudListing, Known, Look, merged
from backend.adapters.wandb.cloud_trouble import Asked, CloudTrouble, CloudTroubleError

ASKED = Asked(base_url="https://api.wandb.example", entity="acme", project="digits")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def run(run_id: str, *, minute: int = 0, heartbeat: int = 0, **given: Any) -> dict[str, Any]:
    created, beat = NOON + timedelta(minutes=minute), NOON + timedelta(minutes=heartbeat or minute)
    return {"id": run_id, "created_at": f"{created:%FT%T}", "heartbeat_at": f"{beat:%FT%T}", **given}


class Script:
    """Stands for the reading process: answers from `runs`, or fails with `trouble`."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.trouble: CloudTrouble | None = None
        self.asked: list[str] = []
        self.held = threading.Event()
        self.held.set()
        self.understands_changes = True

    def ask(self, what: str, *, seconds: float, **given: Any) -> Any:
        self.held.wait(10)
        self.asked.append(what)
        if self.trouble is not None:
            raise CloudTroubleError(self.trouble)
        if what == "changes" and not self.understands_changes:
            raise CloudTroubleError(CloudTrouble(status=400, kind="", text="unknown order"))
        found = [r for r in self.runs.values() if what == "runs" or r["heartbeat_at"] >= given["since"]]
        return {"entity": "acme", "total": len(self.runs), "runs": found}


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def script() -> Script:
    script = Script()
    script.runs = {"a": run("a"), "b": run("b", minute=1)}
    return script


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def listing(script: Script, clock: Clock, tmp_path: Path) -> CloudListing:
    return make(script, clock, tmp_path)


def make(script: Script, clock: Callable[[], datetime], folder: Path) -> CloudListing:
    return CloudListing(script, ASKED, folder, clock)  # type: ignore[arg-type]


def settled(listing: CloudListing) -> Look:
    """What is known when nothing is under way."""
    deadline = time.monotonic() + 5
    while (look := listing.now()).refreshing:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return look


def later(listing: CloudListing, clock: Clock, wait: timedelta = FRESH) -> Look:
    clock.now += wait
    listing.now()
    return settled(listing)


def test_the_first_look_does_not_wait(listing: CloudListing, script: Script) -> None:
    script.held.clear()
    look = listing.now()
    assert (look.known, look.refreshing) == (None, True)
    script.held.set()
    known = settled(listing).known
    assert known is not None
    assert (list(known.runs), known.total, known.as_of) == (["a", "b"], 2, NOON)


def test_it_is_asked_again_when_the_answer_is_old_and_not_before(
    listing: CloudListing, script: Script, clock: Clock
) -> None:
    settled(listing)
    later(listing, clock, FRESH - timedelta(seconds=1))
    assert script.asked == ["runs"]
    later(listing, clock, timedelta(seconds=1))
    assert script.asked == ["runs", "changes"]


def test_many_who_look_cost_one_question(listing: CloudListing, script: Script) -> None:
    script.held.clear()
    for _ in range(20):
        listing.now()
        listing.refresh()
    script.held.set()
    settled(listing)
    assert script.asked == ["runs"]


def test_what_changed_is_taken_in_with_one_small_question(listing: CloudListing, script: Script, clock: Clock) -> None:
    before = settled(listing).known
    assert before is not None
    script.runs["b"] = run("b", minute=1, heartbeat=9, state="finished")
    script.runs["c"] = run("c", minute=8)
    known = later(listing, clock).known
    assert known is not None
    assert script.asked == ["runs", "changes"]
    assert list(known.runs) == ["c", "b", "a"]
    assert known.runs["b"]["state"] == "finished"
    assert known.runs["a"] is before.runs["a"]


def test_a_deleted_run_is_noticed_by_the_number(listing: CloudListing, script: Script, clock: Clock) -> None:
    settled(listing)
    del script.runs["a"]
    known = later(listing, clock).known
    assert known is not None
    assert script.asked == ["runs", "changes", "runs"]
    assert list(known.runs) == ["b"]


def test_edits_without_a_heartbeat_come_with_the_whole(listing: CloudListing, script: Script, clock: Clock) -> None:
    settled(listing)
    script.runs["a"] = run("a", notes="edited on the server")
    script.runs["b"] = run("b", minute=20)
    for _ in range(int(WHOLE / FRESH)):
        known = later(listing, clock).known
    assert known is not None
    assert known.runs["a"]["notes"] == "edited on the server"
    assert script.asked.count("runs") == 2


def test_a_server_that_knows_no_changes_is_asked_for_all(listing: CloudListing, script: Script, clock: Clock) -> None:
    script.understands_changes = False
    settled(listing)
    assert later(listing, clock).error is None
    later(listing, clock)
    assert script.asked == ["runs", "changes", "runs", "runs"]


@pytest.mark.parametrize(("status", "words"), [(500, "error of its own"), (429, "no more requests"), (401, "revoked")])
def test_the_last_good_answer_stays_and_the_trouble_is_told(
    listing: CloudListing, script: Script, clock: Clock, status: int, words: str
) -> None:
    settled(listing)
    script.trouble = CloudTrouble(status=status, kind="", text="x")
    look = later(listing, clock)
    assert look.known is not None and list(look.known.runs) == ["a", "b"]
    assert look.known.as_of == NOON
    assert look.error is not None and words in look.error.message
    script.trouble = None
    assert later(listing, clock, timedelta(minutes=6)).error is None


def test_it_waits_longer_after_each_failure(listing: CloudListing, script: Script, clock: Clock) -> None:
    script.trouble = CloudTrouble(status=500, kind="", text="x")
    waits = []
    for _ in range(4):
        look = settled(listing)
        waits.append((look.next_at - clock.now).total_seconds())
        clock.now = look.next_at
        listing.now()
    assert waits == [15, 30, 60, 120]


def test_who_asks_for_news_gets_the_whole_list_at_once(listing: CloudListing, script: Script, clock: Clock) -> None:
    script.trouble = CloudTrouble(status=401, kind="", text="x")
    settled(listing)
    script.trouble = None
    listing.refresh()
    assert settled(listing).error is None
    assert script.asked == ["runs", "runs"]


def test_a_restart_without_a_server_knows_what_was_known(
    listing: CloudListing, script: Script, clock: Clock, tmp_path: Path
) -> None:
    settled(listing)
    script.trouble = CloudTrouble(status=None, kind="", text="connection refused")
    look = settled(make(script, clock, tmp_path))
    assert look.known is not None and list(look.known.runs) == ["a", "b"]
    assert look.error is not None and "connection refused" in look.error.message


def test_a_broken_file_is_as_none(script: Script, clock: Clock, tmp_path: Path, listing: CloudListing) -> None:
    settled(listing)
    (file,) = tmp_path.glob("runs-*.json")
    file.write_text(file.read_text()[:40])
    script.held.clear()
    assert make(script, clock, tmp_path).now().known is None
    script.held.set()


def test_numbers_that_do_not_add_up_ask_for_all() -> None:
    known = Known(entity="acme", total=2, runs={"a": run("a"), "b": run("b")}, as_of=NOON, whole_at=NOON)
    assert merged(known, [run("c")], 3, NOON) is not None
    assert merged(known, [run("c")], 2, NOON) is None  # one came and one went
    assert merged(known, [], 1, NOON) is None
