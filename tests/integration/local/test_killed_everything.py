"""Every process dies in one moment and its id goes to a stranger: the campaign's proof, with a short training."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaign.killed_everything import kill_everything

pytestmark = pytest.mark.triton


def test_everything_killed_at_once_is_told_truly_and_goes_on(tmp_path: Path) -> None:
    seen = kill_everything(tmp_path, "fast", "--limit", "12000", "--epochs", "8")
    assert seen["`jobs resume` of the training"].startswith("Completed, Going on after epoch ")
    assert seen["promoted again (Finish)"] == "Succeeded, prod serves v2"
