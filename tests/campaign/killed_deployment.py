"""kill -9 of the process that deploys, in each of its steps: what then answers, what is recorded, and how it goes on.

`python -m tests.campaign.killed_deployment` writes what was seen to `docs/reliability.md`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.triton.canary import canary_images
from backend.adapters.triton.load import TritonLoad
from backend.domain.promotion import STEPS, Deployment, Outcome
from backend.domain.registry import Approval
from backend.domain.serving import Endpoint, EndpointStatus, ServedModel, Stage
from backend.domain.steps import StepStatus
from backend.errors import DigitsError
from backend.ports.serving import Report
from tests.bench.report import write_section
from tests.campaign.switch import RELIABILITY
from tests.contract.serving_platforms import ROOT, SERVING_ENV
from tests.fakes.backend import World, make_world

STAGE = Stage.STAGING
SETTLES_WITHIN_S = 5.0
MOMENTS = {
    step: ("began", "midway", "ended") if step in ("load", "switch", "drain") else ("began", "ended") for step in STEPS
}
"""`began` and `ended`: right after that was recorded. `midway`, in the steps that last: while Triton is at work."""

_MIDWAY_S = 0.1
_QUIET_S = 1.0
"""So long it must stay well to count: Triton may end a load that a dead process asked for."""


@dataclass(frozen=True, kw_only=True)
class Death:
    """What was seen after the deploying process was killed.

    `expected` is the version that must answer: the old one, or the new one when all was verified. `seconds` from the
    kill until the stage was in service with it and stayed so; `asked` and `unanswered` count the requests since then.
    """

    step: str
    moment: str
    expected: int
    answers: int
    seconds: float
    asked: int
    unanswered: int
    outcome: Outcome
    step_died: bool
    again: Outcome


@contextmanager
def stage(home: Path) -> Iterator[World]:
    """A world whose staging serves version 1, and which has an approved version 2."""
    world = make_world(home, LocalEndpoints(home, SERVING_ENV), TritonLoad())
    for number in (1, 2):
        world.add_job(f"job-{number}", sharpness=number)
        world.backend.registration.register_job(f"job-{number}", actor=world.backend.actor)
        world.backend.registration.decide(number, Approval.APPROVED, actor=world.backend.actor)
    try:
        assert _promote(world, 1).outcome is Outcome.SUCCEEDED
        yield world
    finally:
        world.backend.serving.delete(STAGE)


def kill_in(world: World, step: str, moment: str) -> Death:
    """Promote the version that does not serve, kill the process that does it, watch, and promote again."""
    old = _served(world)
    new = 3 - old
    expected = new if (step, moment) == (STEPS[-1], "ended") else old
    command = [sys.executable, "-m", "tests.campaign.killed_deployment", str(world.home.root), str(new), step, moment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "there\n", f"the deployment did not come to '{step}'"
        finally:
            child.kill()
    begun = well_since = time.monotonic()
    asked = unanswered = 0
    while True:
        answers = _ask(world)
        asked += 1
        unanswered += answers is None
        now = time.monotonic()
        in_service = world.backend.serving.describe(STAGE).status is EndpointStatus.IN_SERVICE
        if answers != expected or not in_service:
            well_since = time.monotonic()
        if now - well_since > _QUIET_S or now - begun > 3 * SETTLES_WITHIN_S:
            break
        time.sleep(0.02)
    with world.backend.serving.hold(STAGE, "whoever comes next"):
        pass  # raises where the dead one still holds it
    record = world.backend.promotion.history(STAGE)[0]
    again = _promote(world, new)
    assert _ask(world) == new
    return Death(
        step=step,
        moment=moment,
        expected=expected,
        answers=answers or 0,
        seconds=well_since - begun,
        asked=asked,
        unanswered=unanswered,
        outcome=record.outcome,
        step_died=any(entry.detail == "the process died here" for entry in record.steps),
        again=again.outcome,
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as home, stage(Path(home)) as world:
        deaths = [kill_in(world, step, moment) for step, moments in MOMENTS.items() for moment in moments]
    rows = {}
    for step in STEPS:
        of_step = [death for death in deaths if death.step == step]
        expected = "the old version answers" + (", or the new one once verified" if step == STEPS[-1] else "")
        rows[f"deploying process killed in {step}"] = (
            f"expected: {expected}, within {SETTLES_WITHIN_S:.0f} s; the record reads Interrupted, "
            f"the stage is free, promoting again succeeds. Seen: {'; '.join(_told(death) for death in of_step)}"
        )
    if not RELIABILITY.is_file():
        RELIABILITY.write_text("# Reliability\n\nMade by `make campaign`.\n")
    write_section("Faults", rows, path=RELIABILITY)
    assert all(death.answers == death.expected and death.seconds < SETTLES_WITHIN_S for death in deaths)
    assert all(death.outcome is Outcome.INTERRUPTED and death.again.is_good for death in deaths)


class _Doomed(LocalEndpoints):
    """Comes to the moment of the step, says "there" and waits to be killed."""

    def __init__(self, home: Path, step: str, moment: str) -> None:
        super().__init__(home, SERVING_ENV)
        self._step = step
        self._moment = moment

    def deploy(self, stage: Stage, target: ServedModel, archive: Path, report: Report) -> Endpoint:
        def report_and_wait(step: str, status: StepStatus, detail: str) -> None:
            report(step, status, detail)
            if step != self._step:
                return
            if self._moment == "midway" and status is StepStatus.IN_PROGRESS:
                threading.Timer(_MIDWAY_S, _there).start()
            elif self._moment == "midway":
                time.sleep(60)  # where everything is slow the step may end before the kill: no further than that
            elif (self._moment, status) in (("began", StepStatus.IN_PROGRESS), ("ended", StepStatus.COMPLETED)):
                _there()
                time.sleep(60)

        return super().deploy(stage, target, archive, report_and_wait)


def _there() -> None:
    print("there", flush=True)


def _told(death: Death) -> str:
    kept = "the new" if (death.step, death.moment) == (STEPS[-1], "ended") else "the old"
    answers = kept if death.answers == death.expected else "the wrong"
    return (
        f"{death.moment}: {answers} after {death.seconds:.1f} s, {death.unanswered} of {death.asked} requests "
        f"unanswered, {death.outcome.value}, then {death.again.value}"
    )


def _promote(world: World, version: int) -> Deployment:
    return world.backend.promotion.promote(STAGE, version, actor=world.backend.actor)


def _served(world: World) -> int:
    served = world.backend.serving.describe(STAGE).served
    assert served is not None
    return served.version


def _ask(world: World) -> int | None:
    try:
        return world.backend.serving.predict(STAGE, canary_images()).version
    except DigitsError:
        return None


def _doom(home: str, version: str, step: str, moment: str) -> None:
    _promote(make_world(Path(home), _Doomed(Path(home), step, moment), TritonLoad()), int(version))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _doom(*sys.argv[1:])
    else:
        main()
