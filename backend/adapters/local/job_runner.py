"""One detached process per training job: waits for a slot, runs the trainer, keeps its log, tells how it ended.

`python -m backend.adapters.local.job_runner --home H --job NAME --slots N --trainer MODULE`
It holds the job's lock while it lives.
The trainer is SageMaker's container contract on this machine: folders in SM_* variables, hyperparameters as arguments,
metric lines on standard output, a reason in `failure`. It dies with the runner. Stopping is a wish in the database
(`Stopping`), never a signal from somebody who remembers a process id.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import IO, Final

from backend.adapters.local.detached_jobs import Started, be_process_of_job
from backend.adapters.local.home import Home, JobFolder
from backend.adapters.local.job_output import TrainerOutput
from backend.adapters.local.job_store import JobStore
from backend.adapters.local.packing import pack, sha256_of
from backend.adapters.local.processes import die_with_parent, is_held
from backend.domain.jobs import JobStatus, TrainingJob, TrainingRequest

POLL_SECONDS: Final = 0.5
GRACE_SECONDS: Final = 10.0
"""From SIGTERM to SIGKILL: time for the trainer to close its W&B run."""
DEAD_RUNNER: Final = "Its runner process died: it was killed, the disk was full, or the machine restarted."


def fail_dead_jobs(store: JobStore, home: Home) -> None:
    """Make every unfinished job whose runner is gone `Failed`, and so free its slot."""
    for name in store.unfinished():
        if not is_held(home.job(name).lock):
            store.move(name, JobStatus.FAILED, failure_reason=DEAD_RUNNER, ended_at=datetime.now(UTC))


class JobRunner:
    def __init__(self, store: JobStore, home: Home, name: str, *, slots: int, trainer: str) -> None:
        self._store = store
        self._home = home
        self._folder: JobFolder = home.job(name)
        self._name = name
        self._slots = slots
        self._trainer = trainer
        self.terminated = threading.Event()

    def run(self) -> None:
        if not self._wait_for_slot():
            self._finish(JobStatus.STOPPED)
            return
        job = self._store.get(self._name)
        for folder in (self._folder.model, self._folder.output_data):
            folder.mkdir(parents=True, exist_ok=True)
        trainer = subprocess.Popen(
            trainer_command(self._trainer, job),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=trainer_environment(os.environ, self._home, self._folder, job.request),
            cwd=self._folder.root,
            preexec_fn=die_with_parent,
            process_group=0,
        )
        assert trainer.stdout is not None  # noqa: S101 - Popen was told to pipe it
        self._follow(trainer, trainer.stdout, job)
        self._conclude(trainer.returncode)

    def _wait_for_slot(self) -> bool:
        """True once the job may begin; False when it was stopped before."""
        while not self._stop_wanted():
            if self._store.take_slot(self._name, self._slots, datetime.now(UTC)):
                return True
            fail_dead_jobs(self._store, self._home)
            self.terminated.wait(POLL_SECONDS)
        return False

    def _stop_wanted(self) -> bool:
        if self.terminated.is_set():
            self._store.move(self._name, JobStatus.STOPPING)
        return self._store.get(self._name).status is JobStatus.STOPPING

    def _follow(self, trainer: subprocess.Popen[bytes], stdout: IO[bytes], job: TrainingJob) -> None:
        """Copy the trainer's output and pass on stop requests until it has ended."""
        origin = job.request.resumed_from
        anew = origin and not any(self._folder.checkpoints.glob("*"))
        output = TrainerOutput(self._folder.log, [f"Job {origin} left no checkpoint: begun anew."] if anew else [])
        reader = threading.Thread(target=output.copy, args=(stdout,), daemon=True)
        reader.start()
        asked_at: float | None = None
        while trainer.poll() is None:
            points, notices = output.take()
            if points or notices is not None:
                self._store.report(self._name, points, output.notices)
            if asked_at is None and self._stop_wanted():
                asked_at = time.monotonic()
                _signal_group(trainer, signal.SIGTERM)
            elif asked_at is not None and time.monotonic() - asked_at > GRACE_SECONDS:
                _signal_group(trainer, signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        # What the trainer started (the W&B core) keeps the pipe open until it ends too; it may not hold up the job.
        _signal_group(trainer, signal.SIGKILL)
        reader.join(timeout=GRACE_SECONDS)
        points, _ = output.take()
        self._store.report(self._name, points, output.notices)

    def _conclude(self, code: int) -> None:
        if code == 0:
            try:
                pack(self._folder.model, self._folder.archive)
                pack(self._folder.output_data, self._folder.output_archive)
            except OSError as error:
                self._finish(JobStatus.FAILED, failure_reason=f"The model could not be packed: {error}.")
                return
            shutil.rmtree(self._folder.checkpoints, ignore_errors=True)  # only what did not complete is resumed
            self._finish(JobStatus.COMPLETED, progress=1.0, sha256=sha256_of(self._folder.archive), run=self._run_id())
        elif self._store.get(self._name).status is JobStatus.STOPPING:
            self._finish(JobStatus.STOPPED, run=self._run_id())
        else:
            self._finish(JobStatus.FAILED, failure_reason=failure_reason(self._folder, code), run=self._run_id())

    def _finish(self, status: JobStatus, **values: str | float) -> None:
        self._store.move(self._name, status, ended_at=datetime.now(UTC), **values)

    def _run_id(self) -> str:
        """The W&B run has the job's name as its id; none was made when W&B was broken."""
        return self._name if any(self._home.wandb.glob(f"*run-*-{self._name}")) else ""


def trainer_command(module: str, job: TrainingJob) -> Sequence[str]:
    arguments = (f"--{name}={value}" for name, value in job.request.hyperparameters.items())
    return [sys.executable, "-m", module, *arguments]


def trainer_environment(
    base: Mapping[str, str], home: Home, folder: JobFolder, request: TrainingRequest
) -> dict[str, str]:
    # W&B shows the trials of one tuning job as a group.
    group = {"WANDB_RUN_GROUP": request.tuning_job, "WANDB_JOB_TYPE": "trial"} if request.tuning_job else {}
    return {
        **base,
        **group,
        "PYTHONUNBUFFERED": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "SM_MODEL_DIR": str(folder.model),
        "SM_OUTPUT_DATA_DIR": str(folder.output_data),
        "SM_OUTPUT_DIR": str(folder.output),
        "DIGITS_CHECKPOINTS": str(folder.checkpoints),
        "TRAINING_JOB_NAME": request.name,
        "WANDB_DIR": str(home.root),
        **{f"SM_CHANNEL_{channel.name.upper()}": str(channel) for channel in folder.input_data.glob("*/")},
    }


def failure_reason(folder: JobFolder, code: int) -> str:
    """Why the trainer failed: what it wrote itself, else its last line, else the signal or exit code."""
    if folder.failure.is_file():
        return folder.failure.read_text(encoding="utf-8", errors="replace")[:2000].strip()
    ending = f"The trainer ended with exit code {code}"
    if code < 0:
        ending = f"The trainer was killed by {signal.Signals(-code).name}"
        if -code == signal.SIGKILL:
            ending += " (often the kernel, when memory runs out)"
    lines = folder.log.read_text(encoding="utf-8", errors="replace").splitlines() if folder.log.is_file() else []
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"{ending}." + (f" Its last line: {last[:500]}" if last else "")


def _signal_group(trainer: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(trainer.pid, number)
    except ProcessLookupError:
        return


def _store(started: Started) -> JobStore:
    return JobStore(started.database, started.home)


def _run(started: Started) -> None:
    runner = JobRunner(_store(started), started.home, started.job, slots=started.slots, trainer=started.trainer)
    signal.signal(signal.SIGTERM, lambda *_: runner.terminated.set())
    runner.run()


if __name__ == "__main__":
    be_process_of_job(_store, _run)
