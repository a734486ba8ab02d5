"""The Sync button of the Runs page and what is shown of a sync, on a page of the test's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from backend.domain.identity import Role
from backend.domain.operations import Operation, OperationStatus
from backend.domain.steps import Step, StepStatus
from backend.domain.tracking import RunState
from tests.fakes.backend import World
from tests.fakes.operations import RecordedOperations
from tests.ui.conftest import TIMEOUT, texts, use

PROJECT = "digit_classification"


def page() -> None:
    from app.context import backend
    from app.views.run_sync import sync_button, sync_progress

    sync_button(backend().runs.list_runs().runs)
    sync_progress()


@pytest.fixture
def waiting(world: World) -> World:
    """Runs a and b wait, c runs, d is synced."""
    for run_id, given in (("a", {}), ("b", {}), ("c", {"state": RunState.RUNNING}), ("d", {"synced": True})):
        world.runs.add_run(run_id, {"loss": [1.0]}, folders=(f"/runs/{run_id}",), **given)
    return world


def shown() -> AppTest:
    app = AppTest.from_function(page, default_timeout=TIMEOUT).run()
    assert not app.exception
    return app


def kept(world: World, status: OperationStatus, *steps: Step, ago: float = 1.0, error: str = "") -> None:
    now = datetime.now(UTC)
    operation = Operation(
        id="sync-1",
        kind="sync",
        requested_by="ada",
        started_at=now - timedelta(minutes=ago, seconds=30),
        ended_at=None if status is OperationStatus.IN_PROGRESS else now - timedelta(minutes=ago),
        status=status,
        steps=steps,
        error=error,
        hint="Check the network." if error else "",
    )
    world.backend.run_sync._store.save(operation)


def step(name: str, status: StepStatus, detail: str = "") -> Step:
    now = datetime.now(UTC)
    begun = None if status is StepStatus.PENDING else now
    ended = begun if status in (StepStatus.COMPLETED, StepStatus.FAILED) else None
    return Step(name=f"{PROJECT}/{name}", status=status, detail=detail, started_at=begun, ended_at=ended)


def test_the_button_counts_what_waits_and_starts_it_in_a_process_of_its_own(
    waiting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(waiting.backend.run_sync, "start", lambda names, *, actor: started.append([actor.name, *names]))
    app = shown()
    button = app.get_by_key("runs_sync")
    assert (button.label, button.disabled) == ("Sync 2 runs", False)
    button.click().run()
    assert started == [["ada", f"{PROJECT}/a", f"{PROJECT}/b"]]


def test_nothing_that_waits_is_said_to_be_well(world: World) -> None:
    world.runs.add_run("d", folders=("/runs/d",), synced=True)
    button = shown().get_by_key("runs_sync")
    assert (button.label, button.disabled, button.help) == ("All synced", True, "Every ended run is on W&B.")


def test_without_a_key_and_for_a_viewer_it_says_why_not(waiting: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting.uploads.no = "WANDB_API_KEY is not set: there is no server to sync to."
    button = shown().get_by_key("runs_sync")
    assert (button.label, button.disabled, button.help) == ("Sync 2 runs", True, waiting.uploads.no)
    waiting.uploads.no = ""
    use(waiting.acting_as(Role.VIEWER), monkeypatch)
    button = shown().get_by_key("runs_sync")
    assert button.disabled
    assert button.help == "Your role is viewer: to sync runs, you need operator."


def test_a_running_sync_shows_each_run_and_cannot_be_started_twice(
    waiting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations = RecordedOperations()
    operations.start("sync-1", [])
    monkeypatch.setattr(waiting.backend.run_sync, "_processes", operations)
    done, going = step("a", StepStatus.COMPLETED, "seen on W&B"), step("b", StepStatus.IN_PROGRESS, "uploading, 3 s")
    kept(waiting, OperationStatus.IN_PROGRESS, done, going, step("z", StepStatus.PENDING))
    app = shown()
    assert (app.get_by_key("runs_sync").label, app.get_by_key("runs_sync").disabled) == ("Syncing", True)
    said = texts(app)
    assert said.index("uploading, 3 s") < said.index("seen on W&B")
    assert "and 1 more" in said
    assert "python -m backend runs sync --all" in said
    (bar,) = app.get("progress")
    assert bar.proto.text.startswith("1 of 3 runs on W&B, ")
    assert (bar.proto.value, bar.proto.text.endswith("it goes on.")) == (33, True)


def test_a_failed_sync_stays_with_its_reason_and_one_that_is_done_goes(waiting: World) -> None:
    kept(
        waiting,
        OperationStatus.FAILED,
        step("a", StepStatus.COMPLETED, "seen on W&B"),
        step("b", StepStatus.FAILED, "it has 1 of 2 rows"),
        ago=600,
        error="1 of 2 runs are not on W&B as they should be.",
    )
    said = texts(shown())
    for words in ("Not every run is on W&B.", "1 of 2 runs are not on W&B", "it has 1 of 2 rows", "Check the network."):
        assert words in said
    kept(waiting, OperationStatus.COMPLETED, step("a", StepStatus.COMPLETED), ago=9)
    assert "Sync to W&B" in texts(shown())
    kept(waiting, OperationStatus.COMPLETED, step("a", StepStatus.COMPLETED), ago=11)
    assert "Sync to W&B" not in texts(shown())


def test_a_sync_that_died_is_told(waiting: World) -> None:
    kept(waiting, OperationStatus.IN_PROGRESS, step("a", StepStatus.IN_PROGRESS, "uploading, 3 s"))
    said = texts(shown())
    assert "No run was brought to W&B." in said
    assert "Its process died before it was done." in said
    assert shown().get_by_key("runs_sync").label == "Sync 2 runs"
