"""The first hour going wrong, one case each; `tests.campaign.killed_beginnings` has the whole matrix."""

from __future__ import annotations

import pytest

from tests.campaign.killed_beginnings import first, quickstart

pytestmark = pytest.mark.triton


def test_a_first_deployment_killed_in_the_switch_leaves_nothing_unverified_and_is_finished() -> None:
    seen = first("switch", "midway")
    assert seen.startswith("nothing answers, the record reads Interrupted")
    assert seen.endswith("Then Succeeded.")


def test_a_quick_start_killed_while_it_deploys_is_taken_up_where_it_was() -> None:
    assert quickstart("staging").startswith("reads Interrupted in staging; taken up, it ended")
