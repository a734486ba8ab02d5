"""kill -9 of everything at once, the process ids given to strangers, and what is left: `docs/reliability.md` gets it.

A dashboard, a training, a deployment in its midst and both endpoints with their servers and stubs die in one moment,
as when the machine does. Then as many sleeping strangers are started under the very ids that became free: whoever
trusts an id would take them for its own, or kill them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.bench.report import ROOT, write_section
from tests.campaign.switch import RELIABILITY
from tests.contract.training_platforms import wait_until
from tests.e2e.conftest import Dashboard, free_port, wait_for_health

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
TRAINING = "in-its-midst"
CHECKPOINTED = ("train", "--name", TRAINING, "--set", "checkpoint_minutes=0.02", "--preset")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="digits-everything-") as folder:
        rows = kill_everything(Path(folder), "balanced")
    write_section("Everything killed at once, and the process ids reused", rows, path=RELIABILITY)


def kill_everything(home: Path, *training: str) -> dict[str, str]:
    """What was seen, by what was looked at; `training` is the preset, and options, of the one that is cut short."""
    environment = {**os.environ, "DIGITS_HOME": str(home), "DIGITS_PORT": str(free_port())}
    dashboard = start(home, environment)
    rows: dict[str, str] = {}
    ours, strangers = [dashboard.process], list[subprocess.Popen[bytes]]()
    try:
        prepare(dashboard)
        dashboard.command(*CHECKPOINTED, *training, "--json")
        checkpoints = home / "jobs" / TRAINING / "checkpoints"
        wait_until(lambda: any(checkpoints.glob("*.npz")), 60)
        promotion = [sys.executable, "-m", "backend", *PROMOTED, "--deployment", "cut-short"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        ours.append(subprocess.Popen(promotion, cwd=ROOT, env=environment, **quiet))
        wait_until(lambda: '"load"' in record(dashboard, "cut-short"), 30)

        dead = kill_all(home)
        strangers = [stranger(pid) for pid in dead]
        reused = sum(process.pid == pid for process, pid in zip(strangers, dead, strict=True))
        rows["killed at once"] = f"{len(dead)} processes; {reused} of their ids then belonged to strangers"

        begun = time.monotonic()
        job = json.loads(dashboard.command("jobs", "show", TRAINING, "--json"))
        stages = json.loads(dashboard.command("endpoints", "--json"))
        seconds = time.monotonic() - begun
        rows["what two commands say"] = (
            f"after {seconds:.1f} s: the job is {job['status']} ({job['failure_reason']}); "
            + ", ".join(f"{stage['stage']} is {stage['status']}" for stage in stages)
        )
        assert job["status"] == "Failed"
        assert {stage["status"] for stage in stages} == {"Failed"}, stages

        begun = time.monotonic()
        dashboard = start(home, environment)
        ours.append(dashboard.process)
        wait_until(lambda: in_service(dashboard), 60)
        served = {stage["stage"]: stage["served"]["version"] for stage in endpoints(dashboard)}
        rows["the dashboard started again"] = (
            f"both endpoints serve after {time.monotonic() - begun:.1f} s, what they served before: "
            + ", ".join(f"{stage} v{version}" for stage, version in served.items())
        )
        assert set(served.values()) == {1}

        deployment = json.loads(record(dashboard, "cut-short"))
        rows["the deployment in its midst"] = f"reads {deployment['outcome']}: {deployment['hint']}"
        assert deployment["outcome"] == "Interrupted"
        again = json.loads(dashboard.command(*PROMOTED, "--json"))
        rows["promoted again (Finish)"] = f"{again['outcome']}, prod serves v{again['served']['version']}"

        resumed = json.loads(dashboard.command("jobs", "resume", TRAINING, "--wait", "--json"))
        assert resumed["status"] == "Completed"
        rows["`jobs resume` of the training"] = (
            f"{resumed['status']}, {'; '.join(resumed['notices'])} "
            f"Test accuracy {resumed['metrics']['test_accuracy']:.4f}"
        )
        alive = sum(process.poll() is None for process in strangers)
        rows["the strangers"] = f"{alive} of {len(strangers)} still sleep"
        assert alive == len(strangers)
    finally:
        dashboard.command("stop")
        kill_all(home)
        for process in strangers:
            process.kill()
        for process in (*ours, *strangers):
            process.wait()
    return rows


def start(home: Path, environment: dict[str, str]) -> Dashboard:
    with (home / "dashboard.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "app"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{environment['DIGITS_PORT']}"
    dashboard = Dashboard(url=url, home=home, environment=environment, process=process)
    wait_for_health(dashboard)
    return dashboard


def prepare(dashboard: Dashboard) -> None:
    """Version 1 serves on both stages, version 2 may be promoted."""
    for version in ("1", "2"):
        small = ("--preset", "fast", "--limit", "6000", "--seed", version)
        dashboard.command("train", *small, "--name", f"job-{version}", "--wait")
        dashboard.command("register", f"job-{version}")
        dashboard.command("models", "approve", version)
    for stage in ("staging", "prod"):
        dashboard.command("promote", "1", "--to", stage, "--override", WHY)


def endpoints(dashboard: Dashboard) -> list[dict[str, dict[str, int]]]:
    answer: list[dict[str, dict[str, int]]] = json.loads(dashboard.command("endpoints", "--json"))
    return answer


def in_service(dashboard: Dashboard) -> bool:
    return all(stage["status"] == "InService" for stage in endpoints(dashboard))


WHY = "small models for a proof about processes"
PROMOTED = ("promote", "2", "--to", "prod", "--override", WHY)

RECORD = """
import json, sys
from backend.bootstrap import connect
from backend.settings import load_settings
from backend.errors import NotFoundError
backend = connect(load_settings())
try:
    found = backend.promotion.settle(backend.deployments.get(sys.argv[1]))
except NotFoundError:
    print("{}")
else:
    steps = [step.name for step in found.steps if step.started_at]
    print(json.dumps({"outcome": found.outcome.value, "hint": found.hint, "steps": steps}))
"""


def record(dashboard: Dashboard, deployment_id: str) -> str:
    """The deployment's record as JSON, settled as a page would."""
    command = [sys.executable, "-c", RECORD, deployment_id]
    return subprocess.run(
        command, cwd=ROOT, env=dashboard.environment, check=True, capture_output=True, text=True
    ).stdout


def kill_all(home: Path) -> list[int]:
    """kill -9 every process that was started for this home; their ids."""
    in_environment, in_command = f"DIGITS_HOME={home}".encode(), str(home).encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if in_environment in (folder / "environ").read_bytes() or in_command in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in found:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
    wait_until(lambda: not any(Path(f"/proc/{pid}/environ").exists() and _lives(pid) for pid in found), 10)
    return found


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def stranger(pid: int) -> subprocess.Popen[bytes]:
    """A process that only sleeps, under this id where the kernel lets us choose it (as root) and nobody is faster."""
    for _ in range(50):
        with suppress(OSError):
            LAST_PID.write_text(str(pid - 1))
        process = subprocess.Popen(["sleep", "600"])
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    return subprocess.Popen(["sleep", "600"])


if __name__ == "__main__":
    main()
