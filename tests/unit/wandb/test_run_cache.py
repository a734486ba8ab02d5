"""What was read is kept: nothing is read twice, and what is broken is made again."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backend.adapters.wandb import run_digest
from backend.adapters.wandb.offline import OfflineRuns
from backend.adapters.wandb.run_digest import Digest
from backend.domain.tracking import RunState
from tests.fakes.wandb_log import NOON, RunLog
from tests.unit.wandb.conftest import KEY, LOUD, loss, only


class TestKeeping:
    def test_nothing_is_read_again_when_nothing_changed(
        self, root: Path, tmp_path: Path, runs: OfflineRuns, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._make(root)
        while any(run.partial for run in runs.list_runs().runs):
            continue
        first = runs.list_runs().runs
        histories = runs.histories([run.key for run in first])
        opened: list[str] = []
        original = run_digest.open_log

        def spy(path: str) -> object:
            opened.append(path)
            return original(path)

        for module in ("run_digest", "run_told"):
            monkeypatch.setattr(f"backend.adapters.wandb.{module}.open_log", spy)
        assert all(a is b for a, b in zip(runs.list_runs().runs, first, strict=True))
        assert runs.histories([run.key for run in first]).keys() == histories.keys()
        fresh = OfflineRuns([root], tmp_path / "cache")
        assert [run.revision for run in fresh.list_runs().runs] == [run.revision for run in first]
        assert opened == []

    def test_a_large_run_is_glanced_at_first_and_complete_when_opened(
        self, root: Path, runs: OfflineRuns, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("backend.adapters.wandb.offline._COMPLETED_AT_ONCE", 0.0)
        with RunLog(root, "a", config={"lr": 0.1}) as log:
            log.log({"rare": 5.0})
            for step in range(300):
                log.log({"loss": float(step), "note": LOUD})
            log.exit()
        glanced = only(runs)
        assert (glanced.partial, glanced.rows, glanced.state) == (True, None, RunState.FINISHED)
        assert (glanced.config, glanced.summary["loss"], glanced.last_step) == ({"lr": 0.1}, 299.0, 300)
        assert "rare" not in glanced.summary
        whole = runs.get_run(KEY)
        assert (whole.partial, whole.rows, whole.summary["rare"]) == (False, 301, 5.0)
        assert whole.revision != glanced.revision
        assert only(runs) is whole

    def test_listings_complete_what_was_glanced_at(self, root: Path, runs: OfflineRuns) -> None:
        with RunLog(root, "a") as log:
            for step in range(300):
                log.log({"loss": float(step), "note": LOUD})
        for _ in range(20):
            if not only(runs).partial:
                break
        assert only(runs).stats["loss"].count == 300

    def test_columns_are_kept_on_disk_and_gone_on_with(
        self, root: Path, tmp_path: Path, runs: OfflineRuns, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with RunLog(root, "a") as log:
            for step in range(500):
                log.log({"loss": float(step), "note": LOUD})
            before = loss(runs)
            log.log({"loss": 500.0})
            fresh = OfflineRuns([root], tmp_path / "cache")
            begun: list[int] = []
            read = Digest.read

            def spy(digest: Digest, *given: Any, **named: Any) -> bool:
                begun.append(digest.offset)
                return read(digest, *given, **named)

            monkeypatch.setattr(Digest, "read", spy)
            assert loss(fresh) == [*before, 500.0]
            assert begun and min(begun) > 400 * len(LOUD)

    @pytest.mark.parametrize("broken", [b"", b"{", b"digits-run-columns\xff\xff\xff\xff\xff\xff\xff\x7f"])
    def test_a_broken_cache_is_made_again(self, root: Path, tmp_path: Path, broken: bytes) -> None:
        self._make(root)
        first = OfflineRuns([root], tmp_path / "cache")
        keys = [run.key for run in first.list_runs().runs]
        told = {key: list(rows.steps) for key, rows in first.histories(keys).items()}
        for file in (tmp_path / "cache").iterdir():
            file.write_bytes(broken)
        again = OfflineRuns([root], tmp_path / "cache")
        assert {key: list(rows.steps) for key, rows in again.histories(keys).items()} == told

    def test_a_cache_that_cannot_be_written_costs_nothing_but_time(self, root: Path, tmp_path: Path) -> None:
        self._make(root)
        (tmp_path / "taken").write_text("a file")
        runs = OfflineRuns([root], tmp_path / "taken")
        assert runs.list_runs().total == 3

    @staticmethod
    def _make(root: Path) -> None:
        for number in range(3):
            with RunLog(root, f"r{number}", began=NOON + timedelta(minutes=number)) as log:
                for step in range(400 * number + 1):
                    log.log({"loss": float(step), "note": LOUD})
                log.exit()

    def test_a_list_does_not_wait_for_a_long_log_that_somebody_opens(
        self, root: Path, runs: OfflineRuns, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("backend.adapters.wandb.offline._COMPLETED_AT_ONCE", 0.0)
        with RunLog(root, "a") as log:
            for step in range(2_000):
                log.log({"loss": float(step), "note": LOUD})
        slices: list[int] = []
        read = Digest.read

        def slow(digest: Digest, *given: Any, **named: Any) -> bool:
            slices.append(digest.offset)
            time.sleep(0.05)
            return read(digest, *given, **named)

        runs.list_runs()
        monkeypatch.setattr(Digest, "read", slow)
        opening = threading.Thread(target=loss, args=(runs,))
        opening.start()
        waited = 0.0
        while opening.is_alive():
            begun = time.monotonic()
            runs.token()
            runs.list_runs()
            waited = max(waited, time.monotonic() - begun)
        opening.join()
        assert len(slices) > 8
        assert waited < 0.05 * len(slices) / 2, f"a list waited {waited:.2f} s, the log took {len(slices)} slices"
