"""The real `wandb` client, in its process, against the stand-in server over real HTTP: what is read, and what fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from backend.adapters.wandb.cloud import DEFAULT_URL, CloudRuns
from backend.adapters.wandb.cloud_process import CloudProcess
from backend.adapters.wandb.cloud_trouble import Asked
from backend.digits import tracking
from backend.domain.tracking import RunFilter, RunState, SourceStatus
from backend.errors import InvalidInputError, NotFoundError, PlatformError
from backend.ports import tracking as port
from tests.contract.training_platforms import processes_with
from tests.fakes.wandb_server import ENTITY, KEY, WandbServer
from tests.fakes.wandb_store import StoredRun, curve

PROJECT = "digit_classification"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
T = TypeVar("T")


class Setting:
    """A server, a reader of it, and a clock that the test moves."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.server = WandbServer()
        self.late = timedelta()
        self._processes: list[CloudProcess] = []
        monkeypatch.setenv("HOME", str(folder))
        self.runs = self.reader()

    def reader(self, *, key: str = KEY, url: str = "", entity: str = ENTITY, project: str = PROJECT) -> CloudRuns:
        url = url or self.server.url
        process = CloudProcess(
            os.environ, key=key, base_url=url, entity=entity, log=self.folder / "cloud" / "worker.log"
        )
        self._processes.append(process)
        asked = Asked(base_url=url, entity=entity, project=project)
        return CloudRuns(process, asked, folder=self.folder / "cloud", clock=self.clock)

    def clock(self) -> datetime:
        return datetime.now(UTC) + self.late

    def news(self, runs: CloudRuns | None = None) -> SourceStatus:
        """The status after another look at the server."""
        runs = runs or self.runs
        self.late += timedelta(minutes=6)
        runs.refresh()
        return until(lambda: None if (status := runs.status()).refreshing else status)

    def close(self) -> None:
        for process in self._processes:
            process.close()
        self.server.close()


def until(look: Callable[[], T | None], seconds: float = 40.0) -> T:
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def workers(home: Path) -> list[int]:
    """Ids of the reading processes that were started with this home."""
    found = []
    for pid in processes_with("-m", "backend.adapters.wandb.cloud_worker"):
        with suppress(OSError):  # it has just ended
            if f"HOME={home}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    setting = Setting(tmp_path, monkeypatch)
    for index, state in enumerate(("finished", "failed", "running")):
        setting.server.add(
            StoredRun(
                id=f"run-{index}",
                name=f"Run {index}",
                state=state,
                created_at=NOON + timedelta(minutes=index),
                config={"lr": 0.1 * index, "data": {"name": "mnist"}},
                summary={"val/loss": 0.25, "bad": "NaN"},
                history=curve(2_500, **{"val/loss": 0.25, "val/accuracy": 0.9}),
                events=[{"_timestamp": 1.0, "_runtime": 0.0, "system.cpu": 12.5}],
                log=[f"line {n}" for n in range(30)],
                tags=["even"] if index % 2 == 0 else [],
                exported=index == 1,
                files={"media/images/a.png": b"png"},
            )
        )
    yield setting
    setting.close()


def test_a_project_is_read_whole(setting: Setting) -> None:
    """One test of many things: the client takes seconds to start."""
    server, reader = setting.server, setting.runs
    assert reader.list_runs().total == 0  # at once, whatever the server does
    status = setting.news()
    assert (status.error, status.stale, status.detail) == ("", False, f"acme/{PROJECT} at 127.0.0.1:{server.port}")

    runs = reader.list_runs().runs
    assert [(run.id, run.state) for run in runs] == [
        ("run-2", RunState.RUNNING),
        ("run-1", RunState.FAILED),
        ("run-0", RunState.FINISHED),
    ]
    assert runs[0].flat_config == {"lr": 0.2, "data.name": "mnist"}
    assert runs[0].url == f"{server.url}/acme/{PROJECT}/runs/run-2"
    assert [run.id for run in reader.list_runs(RunFilter(tags=frozenset({"even"}))).runs] == ["run-2", "run-0"]
    assert [run.id for run in reader.list_runs(offset=1, limit=1).runs] == ["run-1"]
    assert reader.get_run("run-1").key == f"{PROJECT}/run-1"

    # Histories: from rows that the server has, and from the Parquet that it exported.
    server.asked.clear()
    histories = reader.histories([f"{PROJECT}/run-0", f"{PROJECT}/run-1", f"{PROJECT}/no-such-run"], ["val/loss"])
    assert sorted(histories) == [f"{PROJECT}/run-0", f"{PROJECT}/run-1"]
    for history in histories.values():
        assert len(history) == 2_500
        assert list(history.columns) == ["val/loss"]
        assert (history.columns["val/loss"][0], history.columns["val/loss"][-1]) == (1.0, pytest.approx(0.25))
        assert list(history.steps) == list(range(2_500))
    assert server.asked.count("HistoryPage") == 3
    assert "download" in server.asked
    told = reader.get_run(f"{PROJECT}/run-0")
    assert told.stats["val/loss"].minimum_step == 2_499
    assert histories[told.key].revision == told.revision
    server.asked.clear()
    reader.histories([f"{PROJECT}/run-0"])
    assert server.asked == []

    assert reader.system_metrics("run-2").columns["cpu"][0] == 12.5
    console = reader.console("run-2", lines=2)
    assert ([line.text for line in console.lines], console.earlier) == (["line 28", "line 29"], True)
    assert reader.read_media("run-2", "media/images/a.png") == b"png"
    with pytest.raises(NotFoundError, match=r"no file 'media/images/b.png'"):
        reader.read_media("run-2", "media/images/b.png")
    with pytest.raises(NotFoundError):
        reader.read_media("run-2", "../run-1/media/images/a.png")
    with pytest.raises(NotFoundError, match="has no run 'nothing'"):
        reader.get_run("nothing")

    # A run goes on: only its new rows are asked for, and nothing else has changed.
    token, still = reader.token(), reader.get_run("run-0")
    server.runs()["run-2"].heartbeat_at = datetime.now(UTC)
    reader.histories([f"{PROJECT}/run-2"])
    server.runs()["run-2"].history = curve(2_600, **{"val/loss": 0.25, "val/accuracy": 0.9})
    setting.news()
    server.asked.clear()
    assert len(reader.histories([f"{PROJECT}/run-2"])[f"{PROJECT}/run-2"]) == 2_600
    assert server.asked.count("HistoryPage") == 1
    assert reader.token() != token
    assert reader.get_run("run-0") is still

    # Where the key could be seen: arguments of processes, files, the home of the person.
    assert KEY not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    left = [file for file in setting.folder.rglob("*") if file.is_file()]
    assert len(left) >= 5
    assert [file for file in left if KEY.encode() in file.read_bytes()] == []
    assert not (setting.folder / ".netrc").exists()


def test_a_file_that_is_too_large_is_not_fetched(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    setting.news()
    setting.server.runs()["run-0"].files["media/big.png"] = bytes(2_000)
    monkeypatch.setattr("backend.adapters.wandb.cloud.LARGEST_MEDIA", 1_000)
    with pytest.raises(InvalidInputError, match=r"'media/big.png' has 2,000 bytes; expected at most 1,000"):
        setting.runs.read_media("run-0", "media/big.png")
    assert "download" not in setting.server.asked
    assert port.LARGEST_MEDIA > 1_000


def test_the_keys_own_entity_is_taken_when_none_is_set(setting: Setting) -> None:
    reader = setting.reader(entity="")
    assert setting.news(reader).error == ""
    assert [run.entity for run in reader.list_runs().runs] == ["acme"] * 3
    assert len(reader.histories([f"{PROJECT}/run-0"])) == 1


def test_what_the_server_refuses_is_told_in_its_own_words_and_passes(setting: Setting) -> None:
    """One process lives through all of it."""
    server = setting.server
    good = setting.news()
    for status, words in (
        (429, "takes no more requests for now"),
        (500, "failed with an error of its own (500)"),
        (503, "failed with an error of its own (503)"),
        (403, "does not let this key read 'acme/digit_classification' (403)"),
    ):
        server.fail("Runs", status)
        told = setting.news()
        assert words in told.error
        assert told.hint
        assert (told.stale, told.as_of) == (True, good.as_of)
        assert setting.runs.list_runs().total == 3
        server.heal()
    assert setting.news().error == ""

    server.fail("*", 429, Retry_After="86400")  # the client would wait for a day, and says only that nobody answers
    assert "takes no more requests for now" in setting.news().error
    server.heal()

    server.revoke()
    told = setting.news()
    assert "it was revoked or has expired" in told.error
    assert f"{server.url}/authorize" in told.hint
    assert KEY not in repr(told)
    with pytest.raises(PlatformError, match="revoked"):
        setting.runs.console("run-0")
    assert setting.runs.list_runs().total == 3


def test_a_server_that_says_nothing_is_given_up_in_time_and_listing_never_waits(setting: Setting) -> None:
    setting.news()
    setting.server.hang("Runs")
    setting.server.hang("RunConsoleLogTail")
    setting.runs.refresh()
    begun = time.monotonic()
    assert setting.runs.list_runs().total == 3
    assert setting.runs.status().refreshing
    assert time.monotonic() - begun < 0.5
    with pytest.raises(PlatformError, match="did not answer in time"):
        setting.runs.console("run-0")
    assert time.monotonic() - begun < 16
    assert "did not answer in time" in until(lambda: setting.runs.status().error or None)


def test_a_host_that_dies_leaves_what_is_known_and_a_new_start_has_it_too(setting: Setting) -> None:
    good = setting.news()
    setting.runs.histories([f"{PROJECT}/run-0"])
    setting.server.close()
    told = setting.news()
    assert f"127.0.0.1:{setting.server.port} cannot be reached: connection refused." in told.error
    assert (told.stale, told.as_of) == (True, good.as_of)
    later = setting.reader()
    assert setting.news(later).as_of == good.as_of
    assert later.list_runs().total == 3
    assert len(later.histories([f"{PROJECT}/run-0"])[f"{PROJECT}/run-0"]) == 2_500
    with pytest.raises(PlatformError, match="cannot be reached"):
        later.histories([f"{PROJECT}/run-1"])
    with pytest.raises(PlatformError, match="cannot be reached"):
        later.get_run("perhaps-there")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"key": "k" * 40}, "does not know the key in WANDB_API_KEY (401)"),
        ({"key": "short"}, "is no key of W&B's: API key must have 40+ characters, has 5."),
        ({"project": "nowhere"}, "has no project 'acme/nowhere' that this key may see"),
        ({"url": "http://127.0.0.1:9"}, "cannot be reached: connection refused"),
        ({"url": "http://no-such-host.invalid"}, "there is no such host"),
    ],
)
def test_what_is_wrong_from_the_beginning(setting: Setting, given: dict[str, str], words: str) -> None:
    reader = setting.reader(**given)
    told = setting.news(reader)
    assert words in told.error
    assert (told.as_of, reader.list_runs().total) == (None, 0)
    assert "k" * 40 not in told.error + told.hint


def test_a_killed_process_is_replaced_and_a_killed_core_too(setting: Setting) -> None:
    setting.news()
    (worker,) = workers(setting.folder)
    os.kill(worker, signal.SIGKILL)
    assert [line.text for line in setting.runs.console("run-0", lines=1).lines] == ["line 29"]

    (worker,) = workers(setting.folder)
    (core,) = processes_with("--pid", str(worker))
    os.kill(core, signal.SIGKILL)
    assert [line.text for line in setting.runs.console("run-0", lines=1).lines] == ["line 29"]
    assert workers(setting.folder) != [worker]


def test_it_ends_with_who_started_it_and_leaves_nothing(tmp_path: Path, setting: Setting) -> None:
    code = (
        "import os, sys, pathlib\n"
        "from backend.adapters.wandb.cloud_process import CloudProcess\n"
        f"process = CloudProcess(os.environ, key='{KEY}', base_url='{setting.server.url}', entity='acme',\n"
        f"    log=pathlib.Path('{tmp_path}') / 'log')\n"
        f"print(process.ask('check', seconds=30, entity='acme', project='{PROJECT}'), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "TMPDIR": str(scratch)}
    )
    assert "'runs': 3" in done.stdout
    until(lambda: None if workers(tmp_path) else True, 10)
    assert list(scratch.glob("digits-wandb-*")) == []


def test_without_an_address_reading_goes_where_the_client_and_the_trainings_go() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    code = "import wandb; print(wandb.Settings().base_url)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == DEFAULT_URL == tracking._DEFAULT_URL
