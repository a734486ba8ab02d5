"""The first hour going wrong: the first deployment ever killed, a quick start killed in each step, a disk that fills.

`python -m tests.campaign.killed_beginnings` writes what was seen to `docs/reliability.md`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.triton.canary import canary_images
from backend.adapters.triton.load import TritonLoad
from backend.assembly import Backend
from backend.bootstrap import connect
from backend.domain.operations import OperationStatus
from backend.domain.promotion import Outcome
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from backend.domain.steps import StepStatus
from backend.errors import DigitsError
from backend.services.quickstart import STEPS
from backend.settings import load_settings
from tests.bench.report import ROOT, write_section
from tests.campaign.switch import RELIABILITY
from tests.contract.serving_platforms import SERVING_ENV
from tests.contract.training_platforms import wait_until
from tests.fakes.backend import World, make_world

STAGE = Stage.STAGING
MOMENTS = (("load", "midway"), ("probe", "began"), ("switch", "midway"), ("verify", "began"), ("verify", "ended"))


def main() -> None:
    rows = {f"first deployment killed in {step}, {moment}": first(step, moment) for step, moment in MOMENTS}
    rows |= {f"quick start killed in {step}": quickstart(step) for step in STEPS}
    rows |= full_disk()
    write_section("Beginnings that went wrong", rows, path=RELIABILITY)


def first(step: str, moment: str) -> str:
    """Nothing serves yet, and the process that deploys version 1 dies."""
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(folder), LocalEndpoints(Path(folder), SERVING_ENV), TritonLoad())
        world.add_job("job-1")
        world.backend.registration.register_job("job-1", actor=world.backend.actor)
        world.backend.registration.decide(1, Approval.APPROVED, actor=world.backend.actor)
        command = [sys.executable, "-m", "tests.campaign.killed_deployment", folder, "1", step, moment]
        try:
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
                assert child.stdout is not None
                assert child.stdout.readline() == "there\n"
                child.kill()
            time.sleep(3)
            answers = answering(world)
            (record,) = world.backend.promotion.history(STAGE)
            again = world.backend.promotion.promote(STAGE, 1, actor=world.backend.actor)
            assert (record.outcome, again.outcome.is_good, answering(world)) == (Outcome.INTERRUPTED, True, "v1")
            # What nobody had verified must not answer; what all had verified may.
            assert answers == ("v1" if (step, moment) == ("verify", "ended") else "nothing")
            return (
                f"{answers} answers, the record reads {record.outcome.value}: {record.hint} Then {again.outcome.value}."
            )
        finally:
            world.backend.serving.delete(STAGE)


def answering(world: World) -> str:
    try:
        return f"v{world.backend.serving.predict(STAGE, canary_images()).version}"
    except DigitsError:
        return "nothing"


def quickstart(step: str) -> str:
    """kill -9 of the operation as soon as its record says that it is in this step; then the same command again."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "DIGITS_HOME": folder}
        backend = connect(load_settings().model_copy(update={"home": Path(folder)}))
        command = [sys.executable, "-m", "backend", "quickstart", "--operation", "quickstart-1", "--json"]
        try:
            child = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            wait_until(lambda: reached(backend, step), 120)
            child.kill()
            child.wait()
            latest = backend.quickstart.latest()
            assert latest is not None
            assert latest.status is OperationStatus.INTERRUPTED
            seen = next(s.name for s in latest.steps if s.status is not StepStatus.COMPLETED)
            begun = time.monotonic()
            done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
            answer = json.loads(done.stdout)
            counted = len(backend.training.list_jobs()), len(backend.registry.list_versions())
            assert counted == (1, 1)
            return (
                f"reads {latest.status.value} in {seen}; taken up, it ended after {time.monotonic() - begun:.0f} s, "
                f"with version {answer['version']} on both stages; {counted[0]} job, {counted[1]} version"
            )
        finally:
            subprocess.run([sys.executable, "-m", "backend", "stop"], cwd=ROOT, env=environment, capture_output=True)


def reached(backend: Backend, step: str) -> bool:
    latest = backend.quickstart.latest()
    begun = {s.name for s in latest.steps if s.status is not StepStatus.PENDING} if latest else set()
    return step in begun


def full_disk() -> dict[str, str]:
    """A state folder on a disk of 40 MB that is full: before a launch, and from the middle of a training on."""
    rows = {}
    with small_disk(40) as home:
        environment = {**os.environ, "DIGITS_HOME": str(home)}
        ran(environment, "jobs", "list")
        ballast = fill(home)
        code, answer = ran(environment, "train", "--name", "early")
        error = answer.get("error", answer)
        rows["disk full, then a launch"] = f"exit code {code}: {error['message'].replace(str(home), '$DIGITS_HOME')}"
        assert code == 5
        ballast.unlink()

        training = ("train", "--preset", "balanced", "--set", "checkpoint_minutes=0.05", "--name", "late")
        ran(environment, *training)
        wait_until(lambda: any((home / "jobs" / "late" / "checkpoints").glob("*.npz")), 60)
        ballast = fill(home)
        job: dict[str, Any] = {}
        while job.get("status") not in ("Completed", "Failed"):
            time.sleep(1)
            _, job = ran(environment, "jobs", "show", "late")
        rows["disk full from the middle of a training on"] = (
            f"{job['status']}: {job['failure_reason'] or '; '.join(job['notices'])}"
        )
        ballast.unlink()
        if job["status"] == "Failed":
            code, resumed = ran(environment, "jobs", "resume", "late", "--wait")
            rows["space made, then `jobs resume`"] = f"{resumed['status']}: {'; '.join(resumed['notices'])}"
            assert resumed["status"] == "Completed"
        ran(environment, "stop")
    return rows


def ran(environment: dict[str, str], *verb: str) -> tuple[int, Any]:
    command = [sys.executable, "-m", "backend", *verb, "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout)


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of its own, in memory; needs root."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=True)
        try:
            yield Path(folder)
        finally:
            for _ in range(20):
                if subprocess.run(["umount", folder], capture_output=True).returncode == 0:
                    break
                time.sleep(0.5)


def fill(folder: Path) -> Path:
    """Write until nothing more fits."""
    ballast = folder / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(b"\0" * 4096):
            pass
    return ballast


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
