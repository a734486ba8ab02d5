"""Three programs that draw runs, and how each is driven in a browser: ours, MLflow, trackio."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from playwright.sync_api import Page

from tests.bench.report import ROOT
from tests.bench.runs_data import PROJECT

PATIENCE_MS = 180_000
START_SECONDS = 120


class Program(Protocol):
    """One program over its own copy of the data.

    `open` loads a page in which all runs are drawn; `open_few` one in which few or none are, the `number` making it
    one that was not asked for before where that helps the program; `clear` goes back to few in the open page; `choose`
    is the click that draws all of them; `narrow` is the filter, `widen` takes it away. `all_drawn` and `narrowed` are
    JavaScript that is true when it has happened.
    """

    name: str
    driven: str

    def start(self, folder: Path, port: int, runs: int) -> subprocess.Popen[bytes]: ...
    def address(self, port: int) -> str: ...
    def open(self, page: Page, url: str, runs: int) -> None: ...
    def open_few(self, page: Page, url: str, runs: int, number: int) -> None: ...
    def all_drawn(self, runs: int) -> str: ...
    def clear(self, page: Page) -> None: ...
    def choose(self, page: Page) -> None: ...
    def narrow(self, page: Page) -> None: ...
    def narrowed(self, runs: int) -> str: ...
    def widen(self, page: Page, runs: int) -> None: ...


def python_with(package: str, folder: Path) -> Path:
    """The interpreter of a new environment that has the package; its version is whatever is newest."""
    environment = folder / f"venv-{package}"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    uv = Path(sys.executable).with_name("uv")
    interpreter = environment / "bin" / "python"
    subprocess.run([str(uv), "pip", "install", "--quiet", "--python", str(interpreter), package], check=True)
    return interpreter


def version_of(interpreter: Path, package: str) -> str:
    code = f"import importlib.metadata; print(importlib.metadata.version('{package}'))"
    return subprocess.run([str(interpreter), "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def fill(interpreter: Path, program: str, folder: Path, runs: int, environment: dict[str, str]) -> None:
    subprocess.run(
        [str(interpreter), "-m", "tests.bench.runs_data", program, str(folder), str(runs)],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own
                return
        except (urllib.error.URLError, OSError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{url} does not answer") from error
            time.sleep(0.2)


def stop(process: subprocess.Popen[bytes]) -> None:
    """It and its children: each program is started as the leader of a process group."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


def resident_mb(process: subprocess.Popen[bytes]) -> float:
    """Of the whole process group."""
    kilobytes = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if os.getpgid(int(status.parent.name)) == process.pid:
                kilobytes += int(status.read_text().split("VmRSS:")[1].split()[0])
        except (OSError, IndexError):
            continue
    return kilobytes / 1024


def _spawn(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


@dataclass
class Ours:
    name: str = "Digit Ops"
    driven: str = (
        "`runs=all` in the address, or *Draw all*; drawn when every panel is; in the page just opened with another "
        "smoothing each time, which nothing kept helps with; the filter is *Name*"
    )

    def start(self, folder: Path, port: int, runs: int) -> subprocess.Popen[bytes]:
        if not (folder / "wandb").is_dir():
            fill(Path(sys.executable), "wandb", folder, runs, {})
        process = _spawn([sys.executable, "-m", "app"], folder, {"DIGITS_HOME": str(folder), "DIGITS_PORT": str(port)})
        wait_for(f"http://127.0.0.1:{port}/_stcore/health", process)
        return process

    def address(self, port: int) -> str:
        return f"http://127.0.0.1:{port}/runs"

    def open(self, page: Page, url: str, runs: int) -> None:
        page.goto(f"{url}?runs=all", timeout=PATIENCE_MS)

    def open_few(self, page: Page, url: str, runs: int, number: int) -> None:
        # Another smoothing each time: the server keeps what it has made, and must not have made this.
        page.goto(f"{url}?runs_smooth={0.5 + number / 100:.2f}", timeout=PATIENCE_MS)
        page.wait_for_function(self.all_drawn(8), timeout=PATIENCE_MS)

    def all_drawn(self, runs: int) -> str:
        charts = "document.querySelector('.run-charts')?.dataset"
        return f"!!{charts}?.drawn && {charts}.runs == {runs}"

    def clear(self, page: Page) -> None:
        page.locator(".st-key-runs_first button").click()
        page.wait_for_function(self.all_drawn(8), timeout=PATIENCE_MS)

    def choose(self, page: Page) -> None:
        page.locator(".st-key-runs_all button").click()

    def narrow(self, page: Page) -> None:
        box = page.locator(".st-key-runs_name input")
        box.fill("run-001")
        box.press("Enter")

    def narrowed(self, runs: int) -> str:
        return self.all_drawn(10)

    def widen(self, page: Page, runs: int) -> None:
        box = page.locator(".st-key-runs_name input")
        box.fill("")
        box.press("Enter")


@dataclass
class MLflow:
    interpreter: Path
    name: str = "MLflow"
    driven: str = (
        "the experiment's chart view, *Load more* until all are listed, *Show all runs*; drawn when one chart has all "
        "lines; the filter is `attributes.run_name LIKE 'run-001%'`"
    )
    environment: dict[str, str] = field(
        default_factory=lambda: {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    )

    def start(self, folder: Path, port: int, runs: int) -> subprocess.Popen[bytes]:
        if not (folder / "mlflow.db").is_file():
            fill(self.interpreter, "mlflow", folder, runs, self.environment)
        process = _spawn(
            [
                str(self.interpreter.with_name("mlflow")),
                "server",
                "--backend-store-uri",
                f"sqlite:///{folder / 'mlflow.db'}",
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
                "--workers",
                "1",
            ],
            folder,
            self.environment,
        )
        wait_for(f"http://127.0.0.1:{port}/", process)
        return process

    def address(self, port: int) -> str:
        return f"http://127.0.0.1:{port}/#/experiments/1/runs?compareRunsMode=CHART"

    def open(self, page: Page, url: str, runs: int) -> None:
        self._list(page, url, runs)
        self.choose(page)

    def open_few(self, page: Page, url: str, runs: int, number: int) -> None:
        self._list(page, url, runs)
        self.clear(page)

    def _list(self, page: Page, url: str, runs: int) -> None:
        page.goto("about:blank")  # the address differs from the last one behind the # only: that loads nothing
        page.goto(url, timeout=PATIENCE_MS)
        page.wait_for_selector("[data-testid=experiment-view-runs-visibility-column-header]", timeout=PATIENCE_MS)
        self._load_more(page, runs)

    def _load_more(self, page: Page, runs: int) -> None:
        for _ in range(runs // 100 - 1):
            page.get_by_text("Load more").click(timeout=PATIENCE_MS)
            page.wait_for_timeout(300)

    def all_drawn(self, runs: int) -> str:
        # Each run is a line and its last point.
        return f"[...document.querySelectorAll('.js-plotly-plot')].some(plot => plot.data?.length == {2 * runs})"

    def clear(self, page: Page) -> None:
        self._show(page, "Show first 10")
        page.wait_for_function(self.all_drawn(10), timeout=PATIENCE_MS)

    def choose(self, page: Page) -> None:
        self._show(page, "Show all runs")

    def _show(self, page: Page, words: str) -> None:
        page.locator("[data-testid=experiment-view-runs-visibility-column-header]").click(timeout=PATIENCE_MS)
        page.get_by_text(words, exact=True).click(timeout=PATIENCE_MS)

    def narrow(self, page: Page) -> None:
        box = page.locator("[data-testid=runs-search-autocomplete] input, input[data-testid=search-box]").first
        box.fill("attributes.run_name LIKE 'run-001%'")
        box.press("Enter")

    def narrowed(self, runs: int) -> str:
        return self.all_drawn(10)

    def widen(self, page: Page, runs: int) -> None:
        box = page.locator("[data-testid=runs-search-autocomplete] input, input[data-testid=search-box]").first
        box.fill("")
        box.press("Enter")
        self._load_more(page, runs)


@dataclass
class Trackio:
    interpreter: Path
    name: str = "trackio"
    driven: str = (
        "all runs are chosen when the page opens; the box before *Runs* unchecks and checks all; drawn when the first "
        "chart's canvas is there; the filter is the box above the runs"
    )

    def start(self, folder: Path, port: int, runs: int) -> subprocess.Popen[bytes]:
        environment = {"TRACKIO_DIR": str(folder), "GRADIO_SERVER_PORT": str(port), "HF_HUB_OFFLINE": "1"}
        if not (folder / f"{PROJECT}.db").is_file():
            fill(self.interpreter, "trackio", folder, runs, environment)
        process = _spawn(
            [str(self.interpreter.with_name("trackio")), "show", "--project", PROJECT], folder, environment
        )
        wait_for(f"http://127.0.0.1:{port}/", process)
        return process

    def address(self, port: int) -> str:
        return f"http://127.0.0.1:{port}/?project={PROJECT}"

    def open(self, page: Page, url: str, runs: int) -> None:
        page.goto(url, timeout=PATIENCE_MS)

    def open_few(self, page: Page, url: str, runs: int, number: int) -> None:
        self.open(page, url, runs)
        page.wait_for_function(self.all_drawn(runs), timeout=PATIENCE_MS)
        self.clear(page)

    def all_drawn(self, runs: int) -> str:
        return f"!!document.querySelector('.plot canvas.marks') && document.body.innerText.includes('Runs ({runs})')"

    def clear(self, page: Page) -> None:
        page.locator(".select-all-cb").uncheck(timeout=PATIENCE_MS)
        page.wait_for_function("!document.querySelector('.plot canvas.marks')", timeout=PATIENCE_MS)

    def choose(self, page: Page) -> None:
        page.locator(".select-all-cb").check(timeout=PATIENCE_MS)

    def narrow(self, page: Page) -> None:
        page.get_by_placeholder("Type to filter...").fill("run-001")

    def narrowed(self, runs: int) -> str:
        return "document.body.innerText.includes('Runs (10)') && !!document.querySelector('.plot canvas.marks')"

    def widen(self, page: Page, runs: int) -> None:
        page.get_by_placeholder("Type to filter...").fill("")
