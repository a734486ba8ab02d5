"""Two operators and a command at once: one wins, the others are told why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaign.rivals import prove

pytestmark = [pytest.mark.triton, pytest.mark.processes]


def test_of_two_operators_and_a_command_exactly_one_wins(tmp_path: Path) -> None:
    rounds = prove(tmp_path, 2)
    assert [one.is_clean for one in rounds] == [True, True], rounds
    assert {reason for one in rounds for reason in one.refusals} <= {"StageBusyError", "StalePlanError"}
