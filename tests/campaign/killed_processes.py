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
from pathlib import Path

from backend.domain.jobs import JobStatus
from backend.domain.serving import EndpointStatus
from tests.bench.report import write_section
from tests.campaign.switch import RELIABILITY
from tests.contract.training_platforms import LocalBench, processes_with, running, wait_until
from tests.fakes import trainer
from tests.integration.triton.test_supervision import STAGE, Served, children_of

LONGEST_SECONDS = 30.0


def main() -> None:
    rows: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="digits-faults-") as folder:
        rows |= training_faults(Path(folder) / "training")
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
