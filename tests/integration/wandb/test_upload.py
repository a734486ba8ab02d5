"""`wandb sync` against the stand-in server: a run is called synced when the server was seen to have it, no sooner."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.adapters.local.processes import FileLock
from backend.adapters.wandb.cloud_process import CloudProcess
from backend.adapters.wandb.cloud_trouble import Asked
from backend.adapters.wandb.probe import wandb_probe
from backend.adapters.wandb.upload import WandbUploads
from backend.domain.tracking import Run
from backend.errors import PlatformError, WorkFailedError, WrongStateError
from tests.contract.training_platforms import processes_with
from tests.fakes.tracking import FakeRuns
from tests.fakes.wandb_server import ENTITY, KEY, WandbServer
from tests.fakes.wandb_store import StoredRun

PROJECT = "digit_classification"
STEPS = 40
RECORDING = f"""
import sys, wandb
for name in sys.argv[1:]:
    settings = wandb.Settings(console="off", disable_git=True)
    given = dict(project="{PROJECT}", id=name, name=name, group="a-search", tags=["t"], config={{"lr": 0.1}})
    run = wandb.init(**given, settings=settings)
    run.define_metric("*", step_metric="epoch")
    for epoch in range({STEPS}):
        run.log({{"epoch": epoch, "val/loss": 1 / (1 + epoch)}})
    run.finish(exit_code=1 if name.startswith("bad") else 0)
wandb.teardown()
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with offline runs, made by the real client."""
    folder = tmp_path_factory.mktemp("recorded")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    environment = {**clean, "WANDB_MODE": "offline", "WANDB_DIR": str(folder), "WANDB_ERROR_REPORTING": "false"}
    names = ["good", "again", "lost", "broken", "hung", "cut", "bad-end", "resumed"]
    command = [sys.executable, "-c", RECORDING, *names]
    subprocess.run(command, env={**environment, "WANDB_SILENT": "true"}, check=True, timeout=120)
    time.sleep(0.2)  # the client may return some milliseconds before its last block is on disk
    return folder / "wandb"


class Setting:
    def __init__(self, folder: Path, recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.setenv("TMPDIR", str(folder))
        self.recorded, self.folder = recorded, folder
        self.server = WandbServer()
        self.asked = Asked(base_url=self.server.url, entity=ENTITY, project=PROJECT)
        log = folder / "worker.log"
        self.process = CloudProcess(os.environ, key=KEY, base_url=self.server.url, entity=ENTITY, log=log)
        self.lock = folder / "lock"
        self.uploads = WandbUploads(self.process, self.asked, environ=os.environ, key=KEY, lock=self.lock)
        self.told: list[str] = []

    def run(self, name: str, rows: int = STEPS) -> Run:
        """As the reader of files would tell of it."""
        metrics = {"val/loss": [1.0] * rows}
        return FakeRuns().add_run(name, metrics, folders=tuple(map(str, self.folders(name))))

    def folders(self, name: str) -> list[Path]:
        return sorted(self.recorded.glob(f"offline-run-*-{name}"))

    def upload(self, name: str, *, seconds: float = 60, rows: int = STEPS) -> str:
        synced = self.uploads.upload(self.run(name, rows), seconds=seconds, tell=self.told.append)
        assert synced.url == f"{self.server.url}/acme/{PROJECT}/runs/{name}"
        return synced.notice

    def is_marked(self, name: str) -> bool:
        return all(list(folder.glob("*.wandb.synced")) for folder in self.folders(name))

    def close(self) -> None:
        self.process.close()
        self.server.close()


@pytest.fixture
def setting(tmp_path: Path, recorded: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    setting = Setting(tmp_path, recorded, monkeypatch)
    yield setting
    setting.close()


def test_a_run_arrives_whole_and_is_not_sent_twice(setting: Setting) -> None:
    assert setting.upload("good") == ""
    there = setting.server.runs()["good"]
    assert (there.state, there.last_step, len(there.history)) == ("finished", STEPS - 1, STEPS)
    assert (there.config, there.group, there.tags) == ({"lr": 0.1}, "a-search", ["t"])
    assert there.history[3]["val/loss"] == 0.25
    assert setting.is_marked("good")
    setting.server.asked.clear()
    for mark in setting.recorded.glob("*-good/*.synced"):
        mark.unlink()
    setting.upload("good")
    assert "file_stream" not in setting.server.asked
    assert setting.is_marked("good")


def test_a_run_that_ended_badly_is_a_failed_run_there(setting: Setting) -> None:
    setting.upload("bad-end")
    assert (setting.server.runs()["bad-end"].state, setting.server.runs()["bad-end"].exit_code) == ("failed", 1)


def test_a_server_that_loses_the_history_is_found_out_though_wandb_is_content(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.adapters.wandb.upload._SHOWN_SECONDS", 2.0)
    setting.server.forget("lost")
    with pytest.raises(WorkFailedError, match="it has step -1 as the last, recorded was 39"):
        setting.upload("lost")
    assert not setting.is_marked("lost")
    setting.server.forgetful.clear()
    setting.upload("lost")
    assert setting.is_marked("lost")


def test_rows_that_are_missing_in_the_middle_are_found_out(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.adapters.wandb.upload._SHOWN_SECONDS", 2.0)
    run = setting.run("again", rows=STEPS + 5)
    with pytest.raises(WorkFailedError, match=r"last, recorded was 44"):
        setting.uploads.upload(run, seconds=60, tell=setting.told.append)
    setting.upload("again")
    del setting.server.runs()["again"].history[10:20]
    assert len(setting.server.runs()["again"].history) == STEPS - 10
    assert "twice" in setting.upload("again")  # all of it comes again, behind what was left


@pytest.mark.parametrize(("operation", "words"), [("UpsertBucket", "HTTP 500"), ("file_stream", "Fatal error while")])
def test_a_server_with_an_error_of_its_own_is_told_though_the_exit_code_is_0(
    setting: Setting, operation: str, words: str
) -> None:
    setting.server.fail(operation, 500)
    with pytest.raises(WorkFailedError, match=f"is not whole on W&B: .*wandb said: .*{words}"):
        setting.upload("broken")
    assert not setting.is_marked("broken")


def test_a_server_that_hangs_is_given_up_in_time_with_all_processes(setting: Setting) -> None:
    setting.server.hang("file_stream")
    begun = time.monotonic()
    with pytest.raises(WorkFailedError, match="'digit_classification/hung' was not uploaded within 4 s"):
        setting.upload("hung", seconds=4)
    assert time.monotonic() - begun < 15
    assert processes_with(str(setting.folders("hung")[0] / "run-hung.wandb")) == []
    assert "uploading, 2 s" in setting.told
    assert not setting.is_marked("hung")
    setting.server.heal()
    setting.upload("hung")
    assert setting.is_marked("hung")


def test_a_key_that_is_revoked_and_a_host_that_dies_stop_the_sync(setting: Setting) -> None:
    setting.uploads.check()
    setting.server.revoke()
    with pytest.raises(PlatformError, match=r"does not know the key in WANDB_API_KEY \(401\)"):
        setting.upload("cut")
    setting.server.close()
    with pytest.raises(PlatformError, match="cannot be reached: connection refused"):
        setting.uploads.check()
    assert not setting.is_marked("cut")


def test_files_that_hold_no_record_are_refused_and_hold_nobody_up(setting: Setting, tmp_path: Path) -> None:
    folder = tmp_path / "offline-run-20261123_120000-empty"
    folder.mkdir()
    (folder / "run-empty.wandb").write_bytes(b":W&B\xe1\xbe\x00")
    with pytest.raises(WrongStateError, match="its files hold no record"):
        setting.uploads.upload(FakeRuns().add_run("empty", folders=(str(folder),)), seconds=9, tell=print)
    assert "UpsertBucket" not in setting.server.asked


def test_two_at_once_are_refused_whoever_holds_it(setting: Setting) -> None:
    with FileLock.acquire(setting.lock):
        with pytest.raises(WrongStateError, match="Another sync is running"):
            with setting.uploads.hold():
                pass
    with setting.uploads.hold():
        pass


def test_the_key_is_seen_nowhere(setting: Setting) -> None:
    setting.server.hang("file_stream")
    seen: list[str] = []

    def look(news: str) -> None:
        seen.append(subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout)

    with pytest.raises(WorkFailedError) as failed:
        setting.uploads.upload(setting.run("cut"), seconds=3, tell=look)
    assert any("wandb sync" in listed for listed in seen)
    assert KEY not in "".join(seen)
    assert KEY not in failed.value.message + failed.value.hint
    places = [setting.folder, *setting.folders("cut")]
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    assert [file for file in files if KEY.encode() in file.read_bytes()] == []
    assert not (setting.folder / ".netrc").exists()


def test_without_a_key_it_says_so(tmp_path: Path) -> None:
    asked = Asked(base_url="https://api.wandb.example", entity="", project=PROJECT)
    uploads = WandbUploads(None, asked, environ={}, key="", lock=tmp_path / "lock")
    assert uploads.refusal() == "WANDB_API_KEY is not set: there is no server to sync to."
    probe = wandb_probe(None, asked, recorded_in=tmp_path)
    assert probe.look() == f"no key: runs are recorded offline in {tmp_path}"


def test_the_doctor_tells_who_what_and_how_fast(setting: Setting) -> None:
    probe = wandb_probe(setting.process, setting.asked, recorded_in=setting.folder)
    assert f"takes the key and has no project acme/{PROJECT} yet; it answered in" in probe.look()
    setting.server.add(StoredRun(id="one"))
    assert f"takes the key and has 1 runs in acme/{PROJECT}" in probe.look()
    setting.server.revoke()
    with pytest.raises(PlatformError, match="401"):
        probe.look()
