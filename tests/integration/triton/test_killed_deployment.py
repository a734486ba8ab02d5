"""The process that deploys is killed while Triton switches: the old version serves, and nothing stays in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.domain.promotion import Outcome
from tests.campaign.killed_deployment import SETTLES_WITHIN_S, kill_in, stage

pytestmark = pytest.mark.triton


def test_a_deployment_killed_in_the_switch_leaves_the_old_version(tmp_path: Path) -> None:
    with stage(tmp_path) as world:
        death = kill_in(world, "switch", "midway")
    assert death.answers == death.expected == 1
    assert death.seconds < SETTLES_WITHIN_S
    assert death.unanswered == 0
    assert (death.outcome, death.step_died, death.again) == (Outcome.INTERRUPTED, True, Outcome.SUCCEEDED)
