"""kill -9 of each process of this machine's platform, and what an operator sees then.

`python -m tests.campaign.killed_processes` writes what was seen to `docs/reliability.md`. The same faults are asserted,
one by one, in `tests/contract`, `tests/integration` and `tests/e2e`; here they are timed.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from backend.domain.jobs import JobStatus
from backend.domain.serving import EndpointStatus
from backend.domain.tuning import TuningJob
from tests.bench.report import write_section
from tests.campaign.switch import RELIABILITY
from tests.contract import tuning_platforms
from tests.contract.training_platforms import LocalBench, processes_with, running, wait_until
from tests.fakes import trainer
from tests.integration.triton.test_supervision import STAGE, Served, children_of

LONGEST_SECONDS = 30.0


def main() -> None:
    rows: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="digits-faults-") as folder:
        rows |= training_faults(Path(folder) / "training")
        rows |= tuning_faults(Path(folder) / "tuning")
        rows |= serving_faults(Path(folder) / "serving")
    write_section("Killed processes (kill -9)", rows, path=RELIABILITY)


def training_faults(root: Path) -> dict[str, str]:
    bench = LocalBench(root)
    rows = {}

    def kill_trainer(name: str) -> None:
        for pid in processes_with("-m", "tests.fakes.trainer"):
            if str(root).encode() in Path(f"/proc/{pid}/environ").read_bytes():
                os.kill(pid, signal.SIGKILL)

    def kill_all(name: str) -> None:
        bench.kill(name)
        kill_trainer(name)

    for fault, kill in (("job runner", bench.kill), ("trainer", kill_trainer), ("job runner and trainer", kill_all)):
        name = fault.replace(" ", "-")
        bench.platform.submit(bench.request(name, trainer.HANGS))
        running(bench.platform, name)
        kill(name)
        seconds = until(lambda name=name: bench.platform.describe(name).status.is_terminal)
        job = bench.platform.describe(name)
        rows[fault] = f"job {job.status.value} after {seconds:.1f} s: {job.failure_reason.split(' Its last')[0]}"
    bench.platform.submit(bench.request("next"))
    seconds = until(lambda: bench.platform.describe("next").status is JobStatus.COMPLETED)
    rows["the queue after all of these"] = f"the next job completed in {seconds:.1f} s"
    bench.close()
    return rows


def tuning_faults(root: Path) -> dict[str, str]:
    bench = tuning_platforms.LocalBench(root)
    rows = {}
    bench.platform.submit(bench.request("left", trainer.HANGS, max_jobs=9))
    wait_until(lambda: both_run(bench.platform.describe("left")), LONGEST_SECONDS)
    bench.kill("left")
    failed = until(lambda: bench.platform.describe("left").status is JobStatus.FAILED)
    stopped = until(lambda: all(trial.status.is_terminal for trial in bench.platform.describe("left").trials))
    rows["a search's process"] = (
        f"tuning job Failed after {failed:.1f} s, its two running trials Stopped after {failed + stopped:.1f} s"
    )
    request = bench.request("search", trainer.DAWDLES, max_jobs=4)
    bench.platform.submit(request)
    wait_until(lambda: len(bench.platform.describe("search").trials) == 3, LONGEST_SECONDS)
    bench.kill_all()
    seconds = until(lambda: bench.platform.describe("search").status is JobStatus.FAILED)
    kept = [trial.job for trial in bench.platform.describe("search").trials if trial.is_finished]
    bench.platform.submit(replace(request, name="search-r2", key="again", resumed_from="search"))
    wait_until(lambda: bench.platform.describe("search-r2").status is JobStatus.COMPLETED, LONGEST_SECONDS)
    resumed = bench.platform.describe("search-r2")
    again = [bench.training.describe(trial.job).request.resumed_from for trial in resumed.trials]
    assert [trial.job for trial in resumed.trials][: len(kept)] == kept
    rows["a search, its trials and their trainers at once, then `jobs resume`"] = (
        f"Failed after {seconds:.1f} s; {len(kept)} finished trials kept, {sum(map(bool, again))} cut off and gone on "
        f"from their checkpoints, Completed with {len(resumed.trials)} of {request.max_jobs}"
    )
    return rows


def both_run(job: TuningJob) -> bool:
    return [trial.status for trial in job.trials] == [JobStatus.IN_PROGRESS] * 2


def serving_faults(root: Path) -> dict[str, str]:
    root.mkdir(parents=True)
    served = Served(root)
    rows = {}
    try:
        server = served.server
        os.kill(server, signal.SIGKILL)
        seconds = until(lambda: served.server not in (0, server) and served.answers(4))
        rows["tritonserver"] = f"version 1 answers again after {seconds:.1f} s, by itself"

        wait_until(lambda: len(children_of(served.server)) == 2, LONGEST_SECONDS)
        stubs = children_of(served.server)
        os.kill(stubs[0], signal.SIGKILL)
        seconds = until(lambda: len(set(children_of(served.server)) - set(stubs)) == 2 and served.answers(6))
        rows["one of Triton's stubs"] = (
            f"noticed by a known digit, healed after {seconds:.1f} s; the same server goes on"
        )

        os.kill(served.runner, signal.SIGKILL)
        seconds = until(lambda: served.describe().status is EndpointStatus.FAILED)
        rows["endpoint runner"] = f"endpoint Failed after {seconds:.1f} s: {served.describe().detail}"
        served.endpoints.resume(STAGE)
        seconds = until(lambda: served.answers(4))
        rows["endpoint runner, then Restart (or the next start of the dashboard)"] = f"answers after {seconds:.1f} s"

        for pid in (served.runner, served.server, *children_of(served.server)):
            os.kill(pid, signal.SIGKILL)
        until(lambda: served.describe().status is EndpointStatus.FAILED)
        served.endpoints.resume(STAGE)
        seconds = until(lambda: served.answers(4))
        rows["runner, server and stubs at once, then Restart"] = f"answers after {seconds:.1f} s"
    finally:
        served.endpoints.delete(STAGE)
    return rows


def until(seen: Callable[[], bool]) -> float:
    """Seconds until `seen()`; raises after thirty."""
    begun = time.monotonic()
    wait_until(seen, LONGEST_SECONDS)
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
