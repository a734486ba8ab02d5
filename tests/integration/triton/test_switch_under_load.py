"""No client notices a switch or a rollback of prod, however busy it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.domain.promotion import Outcome
from tests.campaign.switch import REQUESTS, prove

pytestmark = pytest.mark.triton


def test_no_request_fails_while_prod_is_switched_and_rolled_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proof = prove(tmp_path, REQUESTS)
    with capsys.disabled():
        print(f"\nbefore: p99 {proof.p99_before_ms:.1f} ms", *proof.switches, sep="\n")
    assert proof.requests == REQUESTS
    assert proof.failures == []
    assert [(switch.old, switch.new, switch.outcome) for switch in proof.switches] == [
        (1, 2, Outcome.SUCCEEDED),
        (2, 1, Outcome.SUCCEEDED),
    ]
    assert proof.versions[0] == proof.versions[-1] == 1
    assert [switch.stale for switch in proof.switches] == [0, 0]
    assert all(0 < switch.until_served <= switch.seconds for switch in proof.switches)
    assert all(switch.probed > 50 and switch.probe_failed == 0 for switch in proof.switches)
