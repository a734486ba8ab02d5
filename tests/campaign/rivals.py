"""Two operators and a command change one stage at the same moment, over and over: each time exactly one of them wins.

`python -m tests.campaign.rivals` writes what was seen to `docs/reliability.md`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.local.operations import LocalOperations
from backend.adapters.triton.load import TritonLoad
from backend.domain.promotion import Outcome
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from tests.bench.report import write_section
from tests.campaign.switch import RELIABILITY
from tests.contract.serving_platforms import ROOT, SERVING_ENV
from tests.fakes.backend import World, make_world

STAGE = Stage.STAGING
ROUNDS = 50
VERSIONS = 4
_PATIENCE_S = 90.0


@dataclass(frozen=True, kw_only=True)
class Round:
    """What came of the three. `codes` are their exit codes, `refusals` why the losers were refused (error classes);
    `served` is what answers afterwards, `winner` what the one that succeeded asked for; `records` were made.
    """

    codes: Sequence[int]
    refusals: Sequence[str]
    winner: int
    served: int
    records: int
    seconds: float

    @property
    def is_clean(self) -> bool:
        return sorted(self.codes) == [0, 4, 4] and self.winner == self.served and self.records == 1


def prove(home: Path, rounds: int) -> Sequence[Round]:
    serving = LocalEndpoints(home, SERVING_ENV)
    world = make_world(home, serving, TritonLoad())
    for number in range(1, VERSIONS + 1):
        world.add_job(f"job-{number}", sharpness=number)
        world.backend.registration.register_job(f"job-{number}", actor=world.backend.actor)
        world.backend.registration.decide(number, Approval.APPROVED, actor=world.backend.actor)
    try:
        assert world.backend.promotion.promote(STAGE, 1, actor=world.backend.actor).outcome is Outcome.SUCCEEDED
        return [_round(world, number) for number in range(rounds)]
    finally:
        serving.delete(STAGE)


def _round(world: World, number: int) -> Round:
    """The operators click as the page does, with what they saw; the command names what it expects, too."""
    backend = world.backend
    serving = backend.serving.describe(STAGE).served
    assert serving is not None
    others = [version for version in range(1, VERSIONS + 1) if version != serving.version]
    before = len(backend.promotion.history(STAGE))
    environment = {**os.environ, "DIGITS_HOME": str(world.home.root), "PYTHONPATH": str(ROOT)}
    operations = LocalOperations(world.home, environment=environment)
    begun = time.monotonic()
    ids = [f"staging-v{version}-{number:08x}" for version in others[:2]]
    for version, deployment in zip(others, ids, strict=False):
        verb = ["promote", str(version), "--to", STAGE.value, "--expected", serving.sha256, "--deployment", deployment]
        operations.start(deployment, [*verb, "--json"])
    verb = ["promote", str(others[2]), "--to", STAGE.value, "--expected", serving.sha256, "--json"]
    command = subprocess.run(
        [sys.executable, "-m", "backend", *verb],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    while any(operations.is_running(deployment) for deployment in ids):
        assert time.monotonic() - begun < _PATIENCE_S, "an operator's deployment does not end"
        time.sleep(0.05)
    answers = [*(operations.answer(deployment) for deployment in ids), command.stdout]
    said: list[dict[str, Any]] = [json.loads(answer) for answer in answers]
    served = backend.serving.describe(STAGE).served
    return Round(
        codes=[_code(document) for document in said],
        refusals=[refusal for document in said if (refusal := _refusal(document))],
        winner=next((document["version"] for document in said if document.get("outcome") == "Succeeded"), 0),
        served=served.version if served else 0,
        records=len(backend.promotion.history(STAGE)) - before,
        seconds=time.monotonic() - begun,
    )


def _code(document: dict[str, Any]) -> int:
    """A detached operation's exit code is not kept; its document says the same."""
    if refusal := _refusal(document):
        return 4 if refusal in ("StageBusyError", "StalePlanError") else 1
    return 0 if document["outcome"] == "Succeeded" else 1


def _refusal(document: dict[str, Any]) -> str:
    """The class of the error that ended the command; empty when it made a record, whose own `error` is a text."""
    error = document["error"]
    return str(error["kind"]) if isinstance(error, dict) else ""


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        rounds = prove(Path(home), ROUNDS)
    reasons = Counter(reason for one in rounds for reason in one.refusals)
    rows = {
        "rounds of two operators and a command": f"{len(rounds)}",
        "rounds with exactly one winner, who serves": f"{sum(one.is_clean for one in rounds)}",
        "why the others were refused": ", ".join(f"{count} × {reason}" for reason, count in sorted(reasons.items())),
        "a round took": f"{min(one.seconds for one in rounds):.1f} to {max(one.seconds for one in rounds):.1f} s",
    }
    if not RELIABILITY.is_file():
        RELIABILITY.write_text("# Reliability\n\nMade by `make campaign`.\n")
    write_section("Rivals", rows, path=RELIABILITY)
    assert all(one.is_clean for one in rounds), [one for one in rounds if not one.is_clean]


if __name__ == "__main__":
    main()
